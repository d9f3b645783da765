/* stuck: preloaded into a worker, it makes one string comparison of Lua never come back: "stuck" < anything. Lua compares with
 * strcoll(3), and no signal gets a thread out of a C function; it stands for a defect that nobody has found yet. */
#include <string.h>
#include <unistd.h>

int strcoll(const char *a, const char *b);

int strcoll(const char *a, const char *b)
{
    while (strcmp(a, "stuck") == 0)
        pause();
    return strcmp(a, b);
}
