/* support: what every cmocka file of unit/ includes, in the order that cmocka demands. */
#ifndef TESTS_UNIT_SUPPORT_H
#define TESTS_UNIT_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* In table-driven tests: which row failed, with its reason. */
#define row_failed(why, ...)                                                                                           \
    do {                                                                                                               \
        print_error("row: %s\n", why);                                                                                 \
        fail_msg(__VA_ARGS__);                                                                                         \
    } while (0)

#endif
