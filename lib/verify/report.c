/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report's own affairs: names of the contract, the form of BY, release. */
#include "verify-private.h"

const char *verify_kind_name(enum verify_kind k)
{
	static const char *const names[] = {
#define X(name, text) text,
		VERIFY_KINDS(X)
#undef X
	};

	return names[k];
}

void verify_by_from_nat(struct arena *arena, const char *node, const struct nat_by *by, struct verify_by *ret)
{
	const struct rs_chain *c = by->rule ? by->rule->chain : by->chain;

	*ret = (struct verify_by){ .kind = by->kind, .node = node, .rule = by->rule };
	if (c) {
		ret->backend = rs_backend_name(c->table->backend);
		ret->family = rs_family_name(c->table->family);
		ret->table = c->table->name;
		ret->chain = c->name;
	}
	if (by->rule) {
		ret->index = by->rule->index;
		ret->text = arena_strndup(arena, by->rule->text, by->rule->text_len);
	} else if (by->kind == BY_POLICY && c) {
		ret->text = arena_printf(arena, "-P %s DROP", c->name);
	} else {
		ret->text = arena_strdup(arena, by->text);
	}
}

void verify_report_release(struct verify_report *r)
{
	array_free(&r->differences);
	array_free(&r->undecided);
	for (size_t i = 0; i < r->broken.len; i++)
		array_free(&r->broken.v[i].list);
	array_free(&r->broken);
	array_free(&r->fronts);
	array_free(&r->skipped);
	array_free(&r->nodes);
	array_free(&r->assumed);
	for (size_t i = 0; i < r->peers.len; i++)
		array_free(&r->peers.v[i].differences);
	array_free(&r->peers);
	array_free(&r->peer_nodes);
	arena_release(&r->arena);
}

void rules_report_release(struct rules_report *r)
{
	for (size_t i = 0; i < r->ports.len; i++)
		array_free(&r->ports.v[i].rows);
	array_free(&r->ports);
	array_free(&r->skipped);
	arena_release(&r->arena);
}
