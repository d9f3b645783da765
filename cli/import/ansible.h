/* ansible: groups, hosts and variables as both forms of an Ansible inventory have them. */
#ifndef CLI_IMPORT_ANSIBLE_H
#define CLI_IMPORT_ANSIBLE_H

#include "cli/import/import.h"

struct ansible {
    struct import *import;
    json_t *groups;  /* {name: {"parents":{name: true},"vars":{}}} */
    json_t *hosts;   /* {name: {"groups":{name: true},"vars":{},"line":n}}, in the order of the file */
    size_t expanded; /* names that patterns stood for, so far */
};

void ansible_init(struct ansible *ansible, struct import *import);
/* The group, made when there is none. Borrowed. */
json_t *ansible_group(struct ansible *ansible, const char *name);
void ansible_child(struct ansible *ansible, const char *parent, const char *child);
/* Hosts of a group: one, or many ("web[01:10].example.com", "db-[a:c]"). A variable is given by the same pattern. */
void ansible_hosts(struct ansible *ansible, const char *group, const char *pattern, int line);
void ansible_host_var(struct ansible *ansible, const char *pattern, const char *name, const char *value);
void ansible_group_var(struct ansible *ansible, const char *group, const char *name, const char *value);
/* Fills the import from what was read, and frees it. */
void ansible_finish(struct ansible *ansible);

#endif
