/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What two threads read is what one thread reads: random long dumps and JSON documents with every kind of damage are read
 * as the machine allows and again bound to one processor, where nobody helps, and all that came of them is compared.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>

#include <svcdoctor/source.h>

#include <cmocka.h>

#include "rule-text.h"

#define RUNS 12

static uint32_t next(uint32_t *seed, uint32_t below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed % below;
}

/* ---- with a helper and without ---- */

static cpu_set_t all;

static void bind_to_one(bool one)
{
	cpu_set_t set;
	int cpu = 0;

	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), one ? &set : &all), 0);
}

struct tally {
	pthread_mutex_t lock;
	unsigned done[1000], who[CREW_SIZE];
};

static void count(void *arg, void *part, unsigned who)
{
	struct tally *t = arg;

	assert_true(who < CREW_SIZE);
	(void)pthread_mutex_lock(&t->lock);
	t->done[*(unsigned *)part]++;
	t->who[who]++;
	(void)pthread_mutex_unlock(&t->lock);
}

static void test_crew(void **state)
{
	static struct tally t = { .lock = PTHREAD_MUTEX_INITIALIZER };
	unsigned numbers[ARRAY_LEN(t.done)];
	struct crew *c = crew_start(count, &t);

	(void)state;
	assert_true(c != NULL || CPU_COUNT(&all) == 1);
	for (unsigned i = 0; c && i < ARRAY_LEN(numbers); i++) {
		numbers[i] = i;
		crew_add(c, &numbers[i]);
	}
	crew_finish(c);
	for (unsigned i = 0; c && i < ARRAY_LEN(numbers); i++)
		assert_int_equal(t.done[i], 1);
	assert_int_equal(t.who[0] + t.who[1], c ? ARRAY_LEN(numbers) : 0);
	bind_to_one(true);
	assert_null(crew_start(count, &t));
	bind_to_one(false);
	crew_finish(NULL);
}

static void print_notes(struct strbuf *b, const struct sd_notes *notes)
{
	for (size_t i = 0; i < notes->len; i++)
		strbuf_addf(b, "%s:%u:%u %d %s %s (%s)\n", notes->v[i].file, notes->v[i].line, notes->v[i].column,
			    notes->v[i].fatal_to_part, notes->v[i].code, notes->v[i].text,
			    notes->v[i].hint ? notes->v[i].hint : "");
	strbuf_addf(b, "%zu records, %zu dropped\n", notes->len, notes->dropped);
}

static void compare(const struct strbuf *two, const struct strbuf *one, unsigned run)
{
	size_t i = 0, from;

	assert_false(two->failed || one->failed);
	while (i < two->len && i < one->len && two->s[i] == one->s[i])
		i++;
	if (i == two->len && i == one->len)
		return;
	from = i > 200 ? i - 200 : 0;
	fail_msg("run %u: two threads read\n%.400s\nand one\n%.400s", run, two->s + from, one->s + from);
}

/* ---- dumps ---- */

enum { CLEAN, DAMAGED, UNDECLARED, MIXED, KINDS };

static void add_chains(struct strbuf *d, unsigned nchains, unsigned kind, uint32_t *seed)
{
	strbuf_adds(d, ":PREROUTING ACCEPT [1:2]\n:OUTPUT ACCEPT [0:0]\n");
	for (unsigned i = 0; i < nchains; i++)
		if (kind != UNDECLARED || next(seed, 40))
			strbuf_addf(d, ":C-%u - [0:0]\n", i);
	if (kind == MIXED)
		strbuf_adds(d, ":LOG - [0:0]\n");
}

static void add_target(struct strbuf *d, unsigned nchains, unsigned kind, uint32_t *seed)
{
	static const char *const targets[] = {
		"-j RETURN", "-j MARK --set-xmark 0x4000/0x4000", "-p tcp -m tcp -j DNAT --to-destination 10.1.2.3:80",
		"-m comment --comment \"a \\\"b\\\" c\" -j ACCEPT", "-j LOG", "-j LOG --log-prefix \"x \"", "",
		"-m recent --name A --set -j DROP", "-m statistic --mode random --probability 0.5 -j ACCEPT",
	};
	static const char *const bad[] = {
		"-j NOWHERE", "-j NOWHERE --with option", "-g NOWHERE", "-s 1.2.3 -j DROP", "-m comment --comment \"open",
		"! !", "-j", "-m", "-j DROP -j ACCEPT", "-j C-1 --what is this", "-m nomatch --a b [unsupported revision]",
	};
	unsigned n = next(seed, kind == DAMAGED || kind == MIXED ? 100 : 90);

	if (n < 45)
		strbuf_addf(d, "-s 10.%u.%u.7/32 -%c C-%u", next(seed, 256), next(seed, 256), n < 40 ? 'j' : 'g',
			    next(seed, nchains));
	else if (n < 90)
		strbuf_addf(d, "-d 10.0.0.1/32 %s", targets[n % ARRAY_LEN(targets)]);
	else
		strbuf_addf(d, "%s", bad[next(seed, ARRAY_LEN(bad))]);
}

static void add_odd_line(struct strbuf *d, unsigned nchains, unsigned kind, uint32_t *seed)
{
	static const char *const odd[] = { "# a comment", "", "-A ", "[x:1] -A C-1 -j DROP", "[1:2]", "[1:2] -D C-1", "what" };
	unsigned n = next(seed, ARRAY_LEN(odd) + 1);

	if (n < ARRAY_LEN(odd))
		strbuf_addf(d, "%s\n", odd[n]);
	else if (kind == MIXED)
		strbuf_addf(d, ":C-%u - [0:0]\n", next(seed, nchains + 5));
}

static void add_rules(struct strbuf *d, unsigned nchains, unsigned kind, uint32_t *seed)
{
	for (unsigned i = 0; i < nchains; i++) {
		unsigned chain = next(seed, 10) ? i : next(seed, nchains);

		for (unsigned n = next(seed, next(seed, 200) ? 6 : 3000); n > 0; n--) {
			if (next(seed, 3) == 0)
				strbuf_addf(d, "[%u:%u] ", next(seed, 9), next(seed, 9));
			strbuf_addf(d, "-A C-%u ", chain);
			add_target(d, nchains, kind, seed);
			strbuf_adds(d, next(seed, 50) ? "\n" : " \r\n");
		}
		if ((kind == DAMAGED && next(seed, 300) == 0) || (kind == MIXED && next(seed, 3000) == 0))
			add_odd_line(d, nchains, kind, seed);
	}
}

static void make_dump(struct strbuf *d, unsigned run)
{
	uint32_t seed = run * 2654435761u + 1;
	unsigned kind = run % KINDS, nchains = 9000 + next(&seed, 6000);

	strbuf_adds(d, "# Generated by iptables-save v1.8.9 (nf_tables) on some day\n*nat\n");
	add_chains(d, nchains, kind, &seed);
	add_rules(d, nchains, kind, &seed);
	if (kind == MIXED)
		strbuf_adds(d, "*nat\n:C-7 - [0:0]\n-A C-7 -j C-8\nCOMMIT\n*filter\n:C-1 - [0:0]\n");
	if (kind == MIXED)
		add_rules(d, 9000, DAMAGED, &seed);
	strbuf_adds(d, run % 3 ? "COMMIT\n" : "-A C-3 -j C-");
	if (run % 11 == 10)
		d->s[d->len / 2] = '\0';
}

static void print_table(struct strbuf *b, const struct rs_table *t)
{
	for (size_t k = 0; k < t->chain_list.len; k++) {
		const struct rs_chain *c = t->chain_list.v[k];

		strbuf_addf(b, "%s %s %d %u %d%d\n", t->name, c->name, (int)c->hook, c->line, c->inert, c->referenced);
		for (uint32_t i = 0; i < c->nrules; i++) {
			const struct rs_rule *r = c->rules[i];
			const struct rs_stmt *s = rule_target(r);
			bool leads = s && (s->kind == ST_JUMP || s->kind == ST_GOTO);

			assert_ptr_equal(r->chain, c);
			assert_int_equal(r->index, i + 1);
			strbuf_addf(b, "%u %d%d %u %s '%.*s' ", r->line, r->unknown, r->acts,
				    r->has_counters ? (unsigned)rule_counters(r)->packets : 99,
				    leads && s->u.target ? s->u.target->name : "-", (int)r->text_len, r->text);
			rule_text(b, r);
			strbuf_addc(b, '\n');
		}
	}
}

static void read_dump(struct strbuf *b, const struct strbuf *dump)
{
	struct xtables_text text = { 0 };
	struct sd_notes notes = { 0 };
	struct ruleset rs;

	ruleset_init(&rs);
	strbuf_addf(b, "%d\n", read_xtables(&rs, dump->s, dump->len, false, BACKEND_LEGACY, "dump.txt", &notes, &text));
	assert_int_equal(ruleset_finish(&rs), 0);
	strbuf_addf(b, "%d %d%d%d%d%d%d %zu %zu %zu\n", text.backend, text.backend_said, text.empty, text.truncated,
		    text.damaged, text.legacy_warning, text.incompatible, text.rules, rs.nrules, rs.nunknown);
	print_notes(b, &notes);
	for (size_t i = 0; i < rs.tables.len; i++)
		print_table(b, rs.tables.v[i]);
	sd_notes_release(&notes);
	ruleset_release(&rs);
}

static void test_dumps(void **state)
{
	(void)state;
	for (unsigned run = 0; run < RUNS; run++) {
		struct strbuf dump = STRBUF_INIT, two = STRBUF_INIT, one = STRBUF_INIT;

		make_dump(&dump, run);
		assert_true(dump.len > 2u << 20);
		read_dump(&two, &dump);
		bind_to_one(true);
		read_dump(&one, &dump);
		bind_to_one(false);
		compare(&two, &one, run);
		strbuf_release(&dump);
		strbuf_release(&two);
		strbuf_release(&one);
	}
}

/* ---- documents ---- */

static void add_item(struct strbuf *d, unsigned i, unsigned kind, uint32_t *seed)
{
	static const char *const bad[] = { /* the first ones are well-formed: two threads go on behind them */
		"{\"metadata\":{\"name\":\"\xc3\x28\"}}", "17", "{\"metadata\":{\"name\":7}}", "{\"metadata\":{}}",
		"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"reason\":\"Forbidden\",\"message\":\"no\"}",
		"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"message\":\"what\"}", "{\"kind\":\"Other\"}",
		"{\"metadata\":{\"name\":\"n\",\"namespace\":\"a\"},\"spec\":{\"clusterIPs\":[\"bad\"]}}",
		"{\"metadata\":{\"name\":\"x\\u12\"}}", "{\"metadata\":[}", "{a}", "[{]",
	};

	if (kind && next(seed, 400) < (kind == 2 ? 6 : 1)) {
		strbuf_addf(d, "%s", bad[next(seed, kind == 2 ? 8 : ARRAY_LEN(bad))]);
		return;
	}
	strbuf_addf(d, "{\"metadata\":{\"name\":\"s-%u\",\"namespace\":\"ns-%u\",\"uid\":\"%u\",\"labels\":{\"a\":\"%u\"}},"
		       "\"spec\":{\"ports\":[{\"port\":%u}],%s\"clusterIP\":\"10.0.%u.%u\",\"selector\":{\"app\":\"%u\"}}}",
		    next(seed, 12000), next(seed, 5), i, next(seed, 9), next(seed, 300) ? 80 : 0,
		    next(seed, 5) ? "\n\t" : " ", next(seed, 256), next(seed, 256), next(seed, 99));
}

static void add_list(struct strbuf *d, unsigned n, unsigned kind, uint32_t *seed)
{
	bool kind_last = next(seed, 2);

	strbuf_addf(d, "{%s%s\"items\":[", kind_last ? "" : "\"kind\":\"ServiceList\",\"apiVersion\":\"v1\",",
		    next(seed, 2) ? "\"metadata\":{\"continue\":\"x\"}," : "");
	for (unsigned i = 0; i < n; i++) {
		add_item(d, i, kind, seed);
		strbuf_adds(d, i + 1 == n ? "" : next(seed, 2) ? "," : ",\n");
	}
	strbuf_addf(d, "]%s}\n", kind_last ? ",\"kind\":\"ServiceList\",\"apiVersion\":\"v1\"" : "");
}

static void make_document(struct strbuf *d, unsigned run)
{
	uint32_t seed = run * 2246822519u + 3;

	add_list(d, 8000 + next(&seed, 4000), run % 3, &seed);
	if (run % 2)
		add_list(d, 5000, run % 5 == 0, &seed);
	if (run % 7 == 6)
		d->len -= 50 + next(&seed, 4000);
}

static void read_document(struct strbuf *b, const struct strbuf *d)
{
	struct snapshot s;

	snapshot_init(&s);
	for (unsigned i = 0; i < 2; i++)
		strbuf_addf(b, "%d\n", read_cluster_json(&s, "services.json", d->s, d->len - (i ? d->len / 4 : 0), "f.json"));
	assert_int_equal(k8s_cluster_finish(&s.cluster), 0);
	strbuf_addf(b, "%zu undecodable, kind %d\n", s.cluster.undecodable, s.kinds[K8S_SERVICES]);
	print_notes(b, &s.notes);
	for (size_t i = 0; i < s.cluster.services.len; i++) {
		const struct k8s_service *v = s.cluster.services.v[i];

		strbuf_addf(b, "%s/%s %s %s %zu %zu\n", v->meta.ns, v->meta.name, v->meta.uid,
			    k8s_label_get(&v->selector, "app"), v->nports, v->ncluster_ips);
		assert_ptr_equal(k8s_find_service(&s.cluster, v->meta.ns, v->meta.name), v);
	}
	snapshot_release(&s);
}

static void test_documents(void **state)
{
	(void)state;
	for (unsigned run = 0; run < RUNS; run++) {
		struct strbuf d = STRBUF_INIT, two = STRBUF_INIT, one = STRBUF_INIT;

		make_document(&d, run);
		assert_true(d.len > 1u << 20);
		read_document(&two, &d);
		bind_to_one(true);
		read_document(&one, &d);
		bind_to_one(false);
		compare(&two, &one, run);
		strbuf_release(&d);
		strbuf_release(&two);
		strbuf_release(&one);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crew),
		cmocka_unit_test(test_dumps),
		cmocka_unit_test(test_documents),
	};

	if (sched_getaffinity(0, sizeof(all), &all) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
