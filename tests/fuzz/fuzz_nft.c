/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `nft -j list ruleset` of any kind, also behind the text of iptables-nft-save; every rule's parts must be where they belong.
 */
#include <svcdoctor/source.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_lookup(const struct rs_lookup *l)
{
	char buf[256];

	if (l->nparts > RS_KEY_PARTS || (!l->name && !l->set))
		abort();
	for (size_t i = 0; l->set && i < l->set->nelems && i < 64; i++)
		(void)rs_elem_print(l->set, &l->set->elems[i], buf, sizeof(buf));
}

static void check_nat(const struct rs_nat *n)
{
	if (n->addr_map)
		check_lookup(n->addr_map);
	if (n->port_map)
		check_lookup(n->port_map);
	if (n->has_addr && ip_addr_cmp(&n->lo, &n->hi) > 0)
		abort();
}

static void check_rule(const struct rs_rule *r)
{
	if (memchr(r->text, '\0', r->text_len))
		abort();
	for (unsigned i = 0; i < r->nconds; i++) {
		const struct rs_cond *c = &r->conds[i];

		if (c->op == OP_LOOKUP)
			check_lookup(c->u.lookup);
		else if (c->op == OP_TEXT && !memchr(c->u.text, '\0', 1 << 20))
			abort();
	}
	for (unsigned i = 0; i < r->nstmts; i++) {
		const struct rs_stmt *s = &r->stmts[i];

		if (s->after != 255 && s->after > r->nconds)
			abort();
		if (s->kind == ST_VMAP || s->kind == ST_MARK_MAP)
			check_lookup(s->u.lookup);
		else if (s->kind == ST_UPDATE)
			check_lookup(&s->u.update->key);
		else if (s->kind == ST_DNAT || s->kind == ST_SNAT || s->kind == ST_MASQUERADE || s->kind == ST_REDIRECT)
			check_nat(s->u.nat);
		else if ((s->kind == ST_JUMP || s->kind == ST_GOTO) && s->u.target && s->u.target->table != r->chain->table)
			abort();
	}
}

static void check(const struct ruleset *rs)
{
	for (size_t i = 0; i < rs->tables.len; i++) {
		for (size_t k = 0; k < rs->tables.v[i]->chain_list.len; k++) {
			const struct rs_chain *c = rs->tables.v[i]->chain_list.v[k];

			for (uint32_t n = 0; n < c->nrules && !c->table->xtables; n++)
				check_rule(c->rules[n]);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char text[] = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n";
	char *copy = malloc(size + 1), *before = strdup(text);
	struct sd_notes notes = { 0 };
	struct xtables_text xt;
	struct ruleset rs;
	struct nft_text t;

	ruleset_init(&rs);
	if (copy && before && ruleset_own_buffer(&rs, before) == 0) {
		memcpy(copy, data, size);
		copy[size] = '\0';
		if (size % 2)
			(void)read_xtables(&rs, before, strlen(before), false, BACKEND_NFT, "text", &notes, &xt);
		if (read_nft(&rs, copy, size, "fuzz", &notes, &t) == 0 && ruleset_finish(&rs) == 0)
			check(&rs);
	} else {
		free(before);
	}
	free(copy);
	ruleset_release(&rs);
	sd_notes_release(&notes);
	return 0;
}
