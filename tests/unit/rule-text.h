/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RULE_TEXT_H
#define RULE_TEXT_H

#include <svcdoctor/ruleset.h>

/*
 * A decoded rule in one short line, so that tests can compare all of it: "FIELD=value !FIELD=value : STATEMENT value",
 * with " ?" at the end of one that is unknown. OP_MASK is "=value/mask", OP_ANY "&bits", OP_TEXT "<text>",
 * a lookup "(FIELD.FIELD)@set:kinds", or with the elements of a set without a name.
 */
void rule_text(struct strbuf *b, const struct rs_rule *r);

#endif
