/* limits: every ceiling on what a user or a network peer can grow, with its reason. Units are in the names. */
#ifndef CORE_LIMITS_H
#define CORE_LIMITS_H

/* PagerDuty delivers at most 256 KB; Alertmanager groups of 1,000 alerts are about 1 MB. */
#define LIMIT_WEBHOOK_BODY_BYTES (4 * 1024 * 1024)
/* API bodies hold params and decisions; nothing legitimate comes near. */
#define LIMIT_API_BODY_BYTES (1024 * 1024)
/* Runner events carry output chunks: a batch of those. */
#define LIMIT_RUNNER_BODY_BYTES (8 * 1024 * 1024)
/* A job carries steps, modules, the inventory and the output that later steps read. */
#define LIMIT_JOB_BYTES (64 * 1024 * 1024)
/* Senders' headers are about 1 KiB. libmicrohttpd clears this much for each request of a connection: more costs cache.
 */
#define LIMIT_HTTP_HEADER_BYTES (16 * 1024)
#define LIMIT_HTTP_CONNECTIONS  2000
/* Connections that were answered before their body, and are read for two more seconds. */
#define LIMIT_HTTP_LINGERING 256
/* Bodies in memory at the same time: all; of one address, so that one client cannot use up the rest; of one source of
 * webhooks, whose signature can only be checked when the body is there; of people's and programs' requests, after their
 * token was checked; of routes that need neither token nor body. Above these a request is told to come back (503). */
#define LIMIT_BODIES_BYTES            (256 * 1024 * 1024)
#define LIMIT_BODIES_OF_ADDRESS_BYTES (32 * 1024 * 1024)
#define LIMIT_BODIES_OF_SOURCE_BYTES  (64 * 1024 * 1024)
#define LIMIT_BODIES_OF_API_BYTES     (64 * 1024 * 1024)
#define LIMIT_BODIES_OF_OPEN_BYTES    (1024 * 1024)
#define LIMIT_OPEN_BODY_BYTES         (4 * 1024)
#define LIMIT_SSE_CLIENTS             500
/* One person's open tabs, or one tool's followers; nobody takes all streams there are. */
#define LIMIT_SSE_CLIENTS_OF_TOKEN 100
/* One page of a run's log, but at least one event: what a stalled reader of a stream keeps in memory. */
#define LIMIT_LOG_PAGE_BYTES (256 * 1024)
/* A markdown file read by people. Larger blobs in the repository are reported and left alone. */
#define LIMIT_RUNBOOK_BYTES (1024 * 1024)
/* What is read of one commit. Far above any repository of runbooks; a tree of symlinked or generated files stays
 * bounded. */
#define LIMIT_CATALOG_FILES        50000
#define LIMIT_CATALOG_FOLDER_DEPTH 32
#define LIMIT_CATALOG_PATH_BYTES   4096
/* How far back in the history the last good version of a broken file is looked for after a start. */
#define LIMIT_CATALOG_HISTORY_COMMITS 500
/* For all broken files of a repository together: about half a second. */
#define LIMIT_CATALOG_HISTORY_LOOKUPS 20000
/* The request to a fetching child: paths, a URL, references. Below a pipe's buffer, so that writing it never waits. */
#define LIMIT_FETCH_REQUEST_BYTES (32 * 1024)
#define LIMIT_RUNBOOK_STEPS       200
#define LIMIT_MODULE_BYTES        (1024 * 1024)
/* YAML: enough for any manifest; an alias expansion counts each node it produces (billion laughs). */
#define LIMIT_YAML_BYTES (8 * 1024 * 1024)
#define LIMIT_YAML_DEPTH 64
#define LIMIT_YAML_NODES 200000
/* What libfyaml keeps all at once (core/yaml_guard.h): 500,000 are at most 160 MB, or a JSON text of 1 MB in one line.
 */
#define LIMIT_YAML_LINE_WEIGHT   500000
#define LIMIT_YAML_OPEN_BRACKETS 100000
#define LIMIT_YAML_TAG_LINES     100
#define LIMIT_JSON_DEPTH         64
/* Manifests: a rendered chart is a few hundred KiB; CRD bundles reach some MiB. */
#define LIMIT_MANIFEST_BYTES (8 * 1024 * 1024)
#define LIMIT_FOLDER_DEPTH   64
/* GitHub drops a larger step summary whole (docs.github.com, "Adding a job summary"). */
#define LIMIT_STEP_SUMMARY_BYTES (1024 * 1024)
/* A chart that takes longer waits for something. Its output is read like any manifest: LIMIT_MANIFEST_BYTES. */
#define LIMIT_RENDER_MS        (60 * 1000)
#define LIMIT_TOOL_ERROR_BYTES (64 * 1024) /* kept of a program's standard error */
/* How far back coverage looks for a file's last change: some 50 microseconds a commit. */
#define LIMIT_COVERAGE_HISTORY_COMMITS 20000
/* `data`: what passes between steps. More is an error, never a cut. */
#define LIMIT_DATA_BYTES (256 * 1024)
/* A step's Lua state. A runbook has no business with more. */
#define LIMIT_LUA_MEMORY_BYTES (64 * 1024 * 1024)
/* Lua's C functions cannot be interrupted, so each call's work is bounded: list functions by items (a sort of a million
 * takes about a second), patterns by the comparisons of one match. */
#define LIMIT_LUA_LIST_ITEMS    1000000
#define LIMIT_LUA_PATTERN_STEPS 50000000
#define LIMIT_LUA_REPORT_ROWS   10000
#define LIMIT_LUA_JSON_MIB      8 /* JSON made or read in one call; it is not in the state's memory */
#define LIMIT_LUA_JSON_BYTES    (LIMIT_LUA_JSON_MIB * 1024 * 1024)
#define LIMIT_LUA_JSON_VALUES   500000             /* read in one call: about what a state may hold of them */
#define LIMIT_OUTPUT_BYTES      (1024 * 1024)      /* default a stream a host; the step's max_output may lower it */
#define LIMIT_RUN_OUTPUT_BYTES  (64 * 1024 * 1024) /* stored output of one run, all steps */
/* report.file(): one event must fit into a request of the runner with its base64, and stands in the database. */
#define LIMIT_FILE_BYTES      (1024 * 1024)
#define LIMIT_RUN_FILES_BYTES (16 * 1024 * 1024)
#define LIMIT_RUN_FILES       100
#define LIMIT_STEP_OUTPUT_BYTES                                                                                        \
    (512 * 1024) /* of a shell step, kept for steps.ID of later steps; shared by its hosts */
#define LIMIT_OUTPUT_CHUNK_BYTES (32 * 1024) /* one output event */
#define LIMIT_EVENTS_IN_FLIGHT   1024        /* unacknowledged events of a run before its step waits */
#define LIMIT_RUN_TELLS          200 /* messages and incidents of one attempt: each costs somebody's attention */
/* The words of one command that its intent shows; a request of the API may have no more. */
#define LIMIT_ARGV_BYTES (32 * 1024)
/* A file by upload or download: it is in memory, and a step has 64 MiB. */
#define LIMIT_TRANSFER_BYTES (32 * 1024 * 1024)
/* One value in a log line: enough to recognise it; the whole text is elsewhere. */
#define LIMIT_LOG_VALUE_BYTES 2048
/* A key, token or certificate; a larger file is the wrong file. */
#define LIMIT_SECRET_BYTES        (64 * 1024)
#define LIMIT_TITLE_CHARS         512
#define LIMIT_ALERTS_PER_INCIDENT 2000
#define LIMIT_LABELS_PER_ALERT    200
#define LIMIT_LABEL_VALUE_BYTES   4096
/* An exec string over ~34 KB fails in libssh2; dropbear drops the connection over 9,000 bytes. */
#define LIMIT_SSH_EXEC_BYTES 8192
/* On the way to one host: each is another encryption around every byte; more is most likely a circle. */
#define LIMIT_SSH_JUMPS 8
/* A site with 100,000 hosts, each with three keys, is about 30 MB. */
#define LIMIT_KNOWN_HOSTS_BYTES     (64 * 1024 * 1024)
#define LIMIT_SSH_SEND_BUFFER_BYTES (128 * 1024)
#define LIMIT_REGEX_MATCH           100000 /* PCRE (*LIMIT_MATCH=…): ^(a+)+$ on 41 bytes took 327 ms without */

/* Defaults in milliseconds (docs/runbooks.md says the same; tests/unit/test_limits.c compares). */
#define DEFAULT_STEP_TIMEOUT_MS    (5 * 60 * 1000)
#define DEFAULT_RUN_TIMEOUT_MS     (30 * 60 * 1000)
#define DEFAULT_CONNECT_TIMEOUT_MS (10 * 1000)
#define DEFAULT_APPROVAL_EXPIRY_MS (30 * 60 * 1000)
#define DEFAULT_GRACE_MS           (60 * 1000) /* for defer and always after failure, cancel, time-out */
#define DEFAULT_AT_ONCE            10
#define DEFAULT_MAX_HOSTS          50
#define DEFAULT_AT_ONCE_EXEC       32 /* of hosts exec, where a person watches */

/* Runner protocol. The server answers an empty long poll after 25 s because libmicrohttpd never notices a dead peer. */
#define LEASE_POLL_MS   (25 * 1000)
#define LEASE_MS        (30 * 1000) /* how long a confirmed lease lives without renewal */
#define LEASE_RENEW_MS  (10 * 1000) /* the worker renews this often */
#define LEASE_MARGIN_MS (5 * 1000)  /* the worker starts nothing when its lease has less left */
#define REAP_MS         (60 * 1000) /* a worker looks so long for what a lost one left on hosts, then says what it knows */
#define RUNNER_DRAIN_MS (10 * 1000) /* what still runs so long after SIGTERM is cancelled; serve waits 15 s in all */
#define WORKER_STALL_MS (10 * 1000) /* the supervisor kills a worker whose loop has not ticked for this long */

#endif
