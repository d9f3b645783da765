/* host_names: what is folded, and what is not. */
#include "core/host_names.h"

#include "tests/unit/support.h"

#include <string.h>

static void test_fold(void **state)
{
    (void)state;
    static const struct {
        const char *why, *names, *folded;
    } rows[] = {
        {"none", "", ""},
        {"one", "db-1", "db-1"},
        {"a range, whatever the order", "web-3 web-1 web-2", "web-[1-3]"},
        {"gaps", "web-1 web-3 web-4 web-9", "web-[1,3-4,9]"},
        {"a domain behind the number", "web-1.prod web-2.prod db-1.prod", "db-1.prod,web-[1-2].prod"},
        {"another domain is another family", "web-1.a web-2.b", "web-1.a,web-2.b"},
        {"a number in the domain", "db-2.eu-west-1.x db-1.eu-west-1.x db-1.eu-west-2.x",
         "db-[1-2].eu-west-1.x,db-1.eu-west-2.x"},
        {"addresses", "10.0.0.2 10.0.0.1", "10.0.0.[1-2]"},
        {"the name behind the domain", "prod.web-2 prod.web-1", "prod.web-[1-2]"},
        {"leading zeros count", "n08 n09 n10 n11", "n[08-11]"},
        {"9 goes on with 10", "n8 n9 n10", "n[8-10]"},
        {"009 does not go on with 10", "n009 n10", "n[009,10]"},
        {"no numbers", "beta alpha", "alpha,beta"},
        {"the last number counts", "rack1-n1 rack1-n2 rack2-n1", "rack1-n[1-2],rack2-n1"},
        {"a number that is none to count with", "x20260101120000 x20260101120001", "x20260101120000,x20260101120001"},
        {"numbers alone", "1 2 3", "[1-3]"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(GStrv) words = g_strsplit(rows[i].names, " ", -1);
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        for (char **word = words; *word && **word; word++)
            g_ptr_array_add(names, *word);
        g_autofree char *folded = host_names_fold(names);
        if (strcmp(folded, rows[i].folded) != 0)
            row_failed(rows[i].why, "'%s', not '%s'", folded, rows[i].folded);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
