/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report's own affairs: names of the contract, the form of BY, release. */
#include <errno.h>

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
		ret->nft_kind = c->table->xtables ? NULL : "chain";
	}
	if (by->elem && by->set && by->set->name) {
		ret->kind = BY_SET;
		ret->backend = rs_backend_name(by->set->backend);
		ret->family = rs_family_name(by->set->family);
		ret->table = by->set->table ? by->set->table->name : NULL;
		ret->chain = by->set->name;
		ret->nft_kind = !by->set->table ? NULL : by->set->is_map || by->set->is_vmap ? "map" : "set";
		ret->text = velem_text(arena, by->set, by->elem);
	} else if (by->kind == BY_IPVS && by->server) {
		ret->family = rs_family_name(by->server->addr.family == AF_INET6 ? RS_IP6 : RS_IP4);
		ret->text = vserver_text(arena, by->server);
	} else if (by->rule) {
		ret->index = by->rule->index;
		ret->text = arena_strndup(arena, by->rule->text, by->rule->text_len);
	} else if (by->kind == BY_POLICY && c) {
		ret->text = c->table->xtables ? arena_printf(arena, "-P %s DROP", c->name) :
			arena_printf(arena, "chain %s %s %s { policy drop; }", ret->family, ret->table, c->name);
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
	array_free(&r->torn);
	array_free(&r->local_replies);
	array_free(&r->nodes);
	array_free(&r->configs);
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

int report_skip(struct verify_report *out, const char *node, const char *code, const char *what, const char *reason, const char *needs)
{
	struct verify_skipped s = { node, code, reason, needs, what };

	for (size_t i = 0; i < out->skipped.len; i++)
		if (strcmp(out->skipped.v[i].node, node) == 0 && strcmp(out->skipped.v[i].what, what) == 0 &&
		    strcmp(out->skipped.v[i].reason, reason) == 0)
			return 0;
	return array_push(&out->skipped, s);
}

int report_assume(struct verify_report *out, const char *node, const char *t)
{
	const char *text;

	for (size_t i = 0; i < out->assumed.len; i++)
		if (str_starts(out->assumed.v[i], node) && str_ends(out->assumed.v[i], t))
			return 0;
	text = arena_printf(&out->arena, "%s: %s", node, t);
	return text ? array_push(&out->assumed, text) : -ENOMEM;
}

static int add_service(struct verify_broken *b, const struct k8s_service *s)
{
	/* Services come one after the other: the last one is enough to look at. */
	if (b->list.len && b->list.v[b->list.len - 1] == s)
		return 0;
	b->services++;
	return array_push(&b->list, s);
}

static struct verify_broken *find_broken(struct verify_report *out, const char *node, const char *cause)
{
	for (size_t i = 0; i < out->broken.len; i++)
		if (strcmp(out->broken.v[i].node, node) == 0 && strcmp(out->broken.v[i].cause, cause) == 0)
			return &out->broken.v[i];
	return NULL;
}

int report_broken(struct verify_report *out, const char *node, const struct k8s_service *s, const struct nat_by *lost, bool reply)
{
	struct verify_broken b = { .node = node, .cause = lost->cause }, *known = find_broken(out, node, lost->cause);
	int r;

	if (known)
		return add_service(known, s);
	verify_by_from_nat(&out->arena, node, lost, &b.by);
	b.first = arena_printf(&out->arena, "%s/%s", s->meta.ns, s->meta.name);
	b.text = arena_printf(&out->arena, reply ? "node %s loses replies: %s" : "node %s does not deliver: %s", node, lost->text);
	r = b.first && b.text ? add_service(&b, s) : -ENOMEM;
	if (r == 0)
		r = array_push(&out->broken, b);
	if (r < 0)
		array_free(&b.list);
	return r;
}

static int join_broken(struct verify_report *to, struct verify_broken *b)
{
	struct verify_broken *known = find_broken(to, b->node, b->cause);
	int r = 0;

	if (!known) {
		r = array_push(&to->broken, *b);
		if (r == 0)
			memset(&b->list, 0, sizeof(b->list));
		return r;
	}
	for (size_t i = 0; r == 0 && i < b->list.len; i++)
		r = add_service(known, b->list.v[i]);
	return r;
}

#define JOIN(to, from) \
	__extension__ ({ \
		int join_r_ = 0; \
		for (size_t join_i_ = 0; join_r_ == 0 && join_i_ < (from)->len; join_i_++) \
			join_r_ = array_push((to), (from)->v[join_i_]); \
		join_r_; \
	})

int report_join(struct verify_report *to, struct verify_report *from)
{
	int r = 0;

	arena_join(&to->arena, &from->arena);
	to->frontends += from->frontends;
	to->decided += from->decided;
	to->walks += from->walks;
	for (size_t i = 0; r == 0 && i < from->broken.len; i++)
		r = join_broken(to, &from->broken.v[i]);
	for (size_t i = 0; r == 0 && i < from->skipped.len; i++)
		r = report_skip(to, from->skipped.v[i].node, from->skipped.v[i].code, from->skipped.v[i].what, from->skipped.v[i].reason,
				from->skipped.v[i].needs);
	for (size_t i = 0; r == 0 && i < from->assumed.len; i++) {
		const char *t = strstr(from->assumed.v[i], ": ");
		const char *node = t ? arena_strndup(&to->arena, from->assumed.v[i], (size_t)(t - from->assumed.v[i])) : NULL;

		r = node ? report_assume(to, node, t + 2) : -ENOMEM;
	}
	if (r == 0)
		r = JOIN(&to->differences, &from->differences);
	if (r == 0)
		r = JOIN(&to->local_replies, &from->local_replies);
	if (r == 0)
		r = JOIN(&to->undecided, &from->undecided);
	if (r == 0)
		r = JOIN(&to->fronts, &from->fronts);
	verify_report_release(from);
	return r;
}
