/* yaml_lines: the plainest YAML there is, lines of `key: word` at one depth, without libfyaml: a parser takes longer to
 * make than such lines to read, and a repository of runbooks has three of them a file. What it takes, it reads as
 * libfyaml would: the same tree at the same places (tests/fuzz/fuzz_yaml.c compares). */
#ifndef CORE_YAML_LINES_H
#define CORE_YAML_LINES_H

#include "core/yaml.h"

/* Whether a text is of nothing else. */
bool yaml_lines_are(const char *text, size_t length);
/* Such a text. NULL with ERROR_PARSE: a key is there twice. */
struct yaml_document *yaml_lines_read(const char *text, size_t length, const char *file, int line_offset,
                                      GError **error);

#endif
