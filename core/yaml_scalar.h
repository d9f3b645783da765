/* yaml_scalar: what a scalar's text means in the YAML 1.2 core schema. Knows no parser. */
#ifndef CORE_YAML_SCALAR_H
#define CORE_YAML_SCALAR_H

#include "core/yaml.h"

/* Sets kind, boolean, integer, number of a plain scalar from its text. */
void yaml_scalar_type(struct yaml_node *node);
/* Applies an explicit tag ("tag:yaml.org,2002:str", "!"); false when the text is not of that type or the tag is
 * unknown. */
bool yaml_scalar_tag(struct yaml_node *node, const char *tag);

#endif
