/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's side of the kernel tests: answers packets one after the other, with one bundle read once. What it says is what
 * `svcdoctor trace` says of the same bundle; it is asked here because a process for each packet would take most of the time.
 *
 * Commands on stdin, answers on stdout, each ended by a line with a dot:
 *
 *   bundle FOLDER NODE PREFIX...        reads; PREFIX: addresses that hang on this node. "rules N unknown N notes N"
 *   packet SRC DST PROTO SPORT DPORT TYPE CODE IIF   IIF "-": the node itself sends it. One line for each ending, fields by tabs:
 *        verdict address port weight masquerade source delivery interface refusal cause reply unknowns states decided-by
 *   table                               how often each condition and statement was met and not: "kind name met not-met"
 *
 * The linker puts the three functions below before the engine's own (--wrap), so that the engine itself counts nothing.
 */
#include <errno.h>
#include <math.h>
#include <netinet/in.h>

#include <svcdoctor/source.h>
#include <svcdoctor/verify.h>

#include "lib/nat/nat-private.h"

enum { KINDS_MAX = 512, WORDS_MAX = 16, HERE_MAX = 8 };

struct cell {
	char kind[16], name[64];
	unsigned long met, unmet;
};
static struct cell cells[KINDS_MAX];
static size_t ncells;

struct judge {
	struct snapshot snapshot;
	struct nat_node node;
	bool loaded;
	struct ip_prefix here[HERE_MAX];
	size_t nhere;
	struct nat_result result;
};

/* ---- counting ---- */

static void count(const char *kind, const char *name, bool met)
{
	size_t i;

	for (i = 0; i < ncells; i++)
		if (strcmp(cells[i].name, name) == 0 && strcmp(cells[i].kind, kind) == 0)
			break;
	if (i == KINDS_MAX)
		return;
	if (i == ncells) {
		ncells++;
		(void)snprintf(cells[i].kind, sizeof(cells[i].kind), "%s", kind);
		(void)snprintf(cells[i].name, sizeof(cells[i].name), "%s", name);
	}
	if (met)
		cells[i].met++;
	else
		cells[i].unmet++;
}

static const char *field_word(enum rs_field f)
{
	static const char *const words[] = {
#define X(name, text) [name] = #name,
		RS_FIELDS(X)
#undef X
	};

	return words[f] + strlen("FIELD_");
}

static const char *stmt_word(unsigned k)
{
	static const char *const words[] = {
#define X(name, text) [name] = #name,
		RS_STATEMENTS(X)
#undef X
	};

	return words[k] + strlen("ST_");
}

void __real_nat_match_rule(struct walk *w, const struct state *st, const struct rs_rule *r, unsigned from, unsigned to, struct match *ret);
int __real_nat_apply(struct walk *w, struct state *st, const struct rs_rule *r, const struct rs_stmt *s);
void __wrap_nat_match_rule(struct walk *w, const struct state *st, const struct rs_rule *r, unsigned from, unsigned to, struct match *ret);
int __wrap_nat_apply(struct walk *w, struct state *st, const struct rs_rule *r, const struct rs_stmt *s);

int __real_nat_lookup(struct walk *w, const struct state *st, const struct rs_rule *r, const struct rs_lookup *l, struct nat_found *ret);
int __wrap_nat_lookup(struct walk *w, const struct state *st, const struct rs_rule *r, const struct rs_lookup *l, struct nat_found *ret);

static const char *cond_kind(const struct rs_cond *c)
{
	return c->negate ? "negated" : "match";
}

/* One condition as a rule of its own: what the engine says of it. Chance and the past count as both. */
static enum match_kind ask_alone(struct walk *w, const struct state *st, const struct rs_rule *r, unsigned i)
{
	struct match m = { .kind = MATCH_UNKNOWN };
	const struct rs_cond *c = &r->conds[i];

	__real_nat_match_rule(w, st, r, i, i + 1, &m);
	if (m.kind != MATCH_NO && m.chance < 1)
		count(cond_kind(c), field_word(c->field), m.chance == 0);
	if (m.kind == MATCH_YES && m.has_state)
		return m.state_default ? MATCH_YES : MATCH_NO;
	return m.kind;
}

void __wrap_nat_match_rule(struct walk *w, const struct state *st, const struct rs_rule *r, unsigned from, unsigned to, struct match *ret)
{
	bool met = true;

	/* Behind the first condition that is not met the kernel looks at none. */
	for (unsigned i = from; i < to && met; i++) {
		enum match_kind k = ask_alone(w, st, r, i);

		if (k != MATCH_UNKNOWN)
			count(cond_kind(&r->conds[i]), field_word(r->conds[i].field), k == MATCH_YES);
		met = k != MATCH_NO;
	}
	__real_nat_match_rule(w, st, r, from, to, ret);
	for (unsigned i = st->next_stmt; i < r->nstmts && ret->kind == MATCH_NO; i++)
		count("target", stmt_word(r->stmts[i].kind), false);
}

int __wrap_nat_apply(struct walk *w, struct state *st, const struct rs_rule *r, const struct rs_stmt *s)
{
	count("target", stmt_word(s->kind), true);
	if (s->kind == ST_REJECT)
		count("refusal", s->u.text ? s->u.text : "", true);
	return __real_nat_apply(w, st, r, s);
}

/* What a key is made of. A lookup in a condition comes by twice; that changes no zero. */
int __wrap_nat_lookup(struct walk *w, const struct state *st, const struct rs_rule *r, const struct rs_lookup *l, struct nat_found *ret)
{
	int res = __real_nat_lookup(w, st, r, l, ret);

	for (unsigned i = 0; res >= 0 && i < l->nparts; i++)
		count("key", field_word((enum rs_field)l->parts[i].field), ret->len > 0);
	for (unsigned i = 0; res >= 0 && ret->len > 0 && ret->rest > 0 && i < l->nparts; i++)
		count("key", field_word((enum rs_field)l->parts[i].field), false); /* by chance */
	return res;
}

/* ---- commands ---- */

static enum tri is_here(void *arg, const struct ip_addr *a, const char **ret_why)
{
	const struct judge *j = arg;

	(void)ret_why;
	for (size_t i = 0; i < j->nhere; i++)
		if (ip_prefix_contains(&j->here[i], a))
			return TRI_TRUE;
	return TRI_FALSE;
}

static void print_notes(const struct sd_notes *notes)
{
	for (size_t i = 0; i < notes->len; i++)
		printf("note\t%s\n", notes->v[i].text ? notes->v[i].text : "");
}

static void print_unknown(const struct ruleset *rules)
{
	for (size_t t = 0; t < rules->tables.len; t++)
		for (size_t c = 0; c < rules->tables.v[t]->chain_list.len; c++)
			for (uint32_t i = 0; i < rules->tables.v[t]->chain_list.v[c]->nrules; i++) {
				const struct rs_rule *r = rules->tables.v[t]->chain_list.v[c]->rules[i];

				if (r->unknown)
					printf("note\tunknown: %.*s\n", (int)r->text_len, r->text);
			}
}

static int load(struct judge *j, char **words, size_t n)
{
	const struct snap_node *node;
	int r;

	if (n < 3)
		return -EINVAL;
	snapshot_release(&j->snapshot);
	snapshot_init(&j->snapshot);
	j->loaded = false;
	j->nhere = 0;
	for (size_t i = 3; i < n && j->nhere < HERE_MAX; i++)
		if (ip_prefix_parse(words[i], &j->here[j->nhere]) == 0)
			j->nhere++;
	r = bundle_open(&j->snapshot, words[1]);
	if (r >= 0)
		r = snapshot_finish(&j->snapshot);
	if (r < 0)
		return r;
	node = snapshot_node(&j->snapshot, words[2], false);
	if (!node)
		return -ENOENT;
	verify_nat_node(&j->snapshot, node, &j->node);
	j->loaded = true;
	print_notes(&j->snapshot.notes);
	print_unknown(&node->rules);
	printf("rules\t%zu\t%zu\n", node->rules.nrules, node->rules.nunknown);
	return 0;
}

static const char *cause_of(const struct nat_ending *e)
{
	return e->lost.cause ? e->lost.cause : e->lost.text ? e->lost.text : "-";
}

static const char *tri_word(enum tri t)
{
	return t == TRI_TRUE ? "yes" : t == TRI_FALSE ? "no" : "unknown";
}

static void print_by(const struct nat_by *by)
{
	if (by->rule && by->chain)
		printf("%s %s %u: %.*s", by->chain->table->name, by->chain->name, by->rule->index, (int)by->rule->text_len, by->rule->text);
	else if (by->chain)
		printf("policy of %s %s", by->chain->table->name, by->chain->name);
	else
		printf("%s", by->text ? by->text : "-");
}

static void print_ending(const struct nat_ending *e)
{
	char addr[IP_ADDR_STRLEN], source[IP_ADDR_STRLEN];
	unsigned unknowns = 0, states = 0;

	for (const struct nat_assume *a = e->assumes; a; a = a->next) {
		unknowns += !a->state;
		states += a->state;
	}
	printf("%s\t%s\t%u\t%.9g\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%u\t%u\t", nat_verdict_name(e->verdict), ip_addr_format(&e->addr, addr), e->port,
	       isnan(e->weight) ? -1.0 : e->weight, e->masquerade, e->source.family ? ip_addr_format(&e->source, source) : "-",
	       nat_delivery_name(e->delivery), e->interface ? e->interface : "-", e->reject_with ? e->reject_with : "-", cause_of(e),
	       tri_word(e->reply), unknowns, states);
	print_by(&e->by);
	printf("\t%s\t", e->reply_why ? e->reply_why : "-");
	print_by(&e->reply_by);
	printf("\n");
}

static int parse_packet(char **words, struct nat_packet *ret)
{
	uint64_t v[5];

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		if (parse_uint(words[3 + i], strlen(words[3 + i]), 65535, &v[i]) < 0)
			return -EINVAL;
	*ret = (struct nat_packet){
		.proto = (uint8_t)v[0], .sport = (uint16_t)v[1], .dport = (uint16_t)v[2], .icmp_type = (uint8_t)v[3], .icmp_code = (uint8_t)v[4],
	};
	ret->from_node = strcmp(words[8], "-") == 0;
	ret->iif = ret->from_node ? NULL : words[8];
	return ip_addr_parse(words[1], &ret->src) < 0 || ip_addr_parse(words[2], &ret->dst) < 0 ? -EINVAL : 0;
}

static int answer(struct judge *j, char **words, size_t n)
{
	struct nat_options o = { .flags = NAT_REPLY, .here = is_here, .here_arg = j };
	struct nat_packet p;
	int r;

	if (n != 9 || !j->loaded || parse_packet(words, &p) < 0)
		return -EINVAL;
	nat_result_reset(&j->result);
	r = nat_walk(&j->node, &p, &o, &j->result);
	for (size_t i = 0; r == 0 && i < j->result.endings.len; i++)
		print_ending(&j->result.endings.v[i]);
	return r;
}

static int print_table(void)
{
	for (size_t i = 0; i < ncells; i++)
		printf("%s\t%s\t%lu\t%lu\n", cells[i].kind, cells[i].name, cells[i].met, cells[i].unmet);
	return 0;
}

/* Every field and statement that there is, so that the table's reader misses none. */
static int print_names(void)
{
	for (unsigned i = 0; i < FIELD_COUNT; i++)
		printf("match\t%s\nkey\t%s\n", field_word((enum rs_field)i), field_word((enum rs_field)i));
#define X(name, text) printf("target\t%s\n", stmt_word(name));
	RS_STATEMENTS(X)
#undef X
	return 0;
}

static int command(struct judge *j, char *line)
{
	char *words[WORDS_MAX], *save = NULL;
	size_t n = 0;

	for (char *w = strtok_r(line, " \n", &save); w && n < WORDS_MAX; w = strtok_r(NULL, " \n", &save))
		words[n++] = w;
	if (n == 0)
		return -EINVAL;
	if (strcmp(words[0], "bundle") == 0)
		return load(j, words, n);
	if (strcmp(words[0], "packet") == 0)
		return answer(j, words, n);
	if (strcmp(words[0], "table") == 0)
		return print_table();
	return strcmp(words[0], "names") == 0 ? print_names() : -EINVAL;
}

int main(void)
{
	struct judge j = { .loaded = false };
	char line[4096];

	snapshot_init(&j.snapshot);
	nat_result_init(&j.result);
	while (fgets(line, sizeof(line), stdin)) {
		int r = command(&j, line);

		if (r < 0)
			printf("error\t%s\n", sd_strerror(r));
		printf(".\n");
		(void)fflush(stdout);
	}
	nat_result_release(&j.result);
	snapshot_release(&j.snapshot);
	return 0;
}
