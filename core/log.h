/* log: structured log lines to stderr. One line a call: time, level, message, key=value pairs (or one JSON object).
 *
 * Values are escaped so that hostile text (newlines, ANSI, quotes) stays inside its field. Never pass a secret. */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <glib.h>
#include <stdbool.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* Sets what is written from now on. `process` ("serve", "runner", "worker-1") stands in every line; copied. */
void log_init(const char *process, enum log_level level, enum log_format format);
bool log_level_from_name(const char *name, enum log_level *ret_level);

/* Writes one line: message, then pairs of (const char *key, const char *value), ended by NULL. A NULL value prints as "-".
 * Thread safe; never fails, never blocks longer than one write(2).
 *   log_info("run ended", "run", id, "state", state, NULL); */
void log_write(enum log_level level, const char *message, ...) G_GNUC_NULL_TERMINATED;
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)  log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
