/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command dns as text: from each place its resolv.conf as libcs take it, each name with what is asked for it, who answers how fast, what
 * differs from the API, and then the causes.
 */
#include <ctype.h>
#include <errno.h>

#include "dns-private.h"

enum { STEPS_SHOWN = 8, LEFT_SHOWN = 6, SERVERS_SHOWN = 3, NAME_WIDTH = 44, WIDTH = 100 };
#define CONF_INDENT "               "

static const struct column server_columns[] = {
	{ "server", "SERVER" }, { "transport", "OVER" }, { "answered", "ANSWERED" }, { "ms", "MS" }, { "result", "RESULT" }, { "node", "NODE" }, { "what", "WHAT" },
};

/* ---- the first lines ---- */

static void head(const struct report *r, struct strbuf *b, const struct dns_report *n)
{
	const struct snapshot *s = r->snapshot;
	if (r->quiet) {
		return;
	}
	bool nothing_read = s->live && !s->any_cluster && s->nodes.len == 0 && s->origin;
	if (nothing_read) {
		strbuf_adds(b, "looked at: DNS alone; nothing could be read of ");
		strbuf_add_clean(b, s->origin);
		strbuf_addc(b, '\n');
	} else if (s->any_cluster || s->nodes.len > 0 || s->origin) {
		text_looked_at(r, b, NULL);
	} else {
		strbuf_adds(b, "looked at: DNS alone; there is no cluster and no bundle that its answers could be compared with\n");
	}
	if (s->kinds[K8S_SERVICES] != KNOWN && s->kinds[K8S_SERVICES] != PARTLY_KNOWN && (s->any_cluster || s->origin)) {
		strbuf_adds(b, "not compared: the Services are not known, so what DNS answers is shown and not judged\n");
	}
	if (n->domain && n->domain_assumed) {
		strbuf_adds(b, "cluster domain: ");
		strbuf_add_clean(b, n->domain);
		strbuf_adds(b, ", which is assumed: nothing that was read tells it\n");
	}
}

static void add_view(struct strbuf *b, const struct resolv_view *v)
{
	char buf[IP_ADDR_STRLEN];
	strbuf_adds(b, v->nservers == 1 ? "nameserver" : "nameservers");
	for (size_t i = 0; i < v->nservers; i++) {
		strbuf_addf(b, " %s", ip_addr_format(&v->servers[i], buf));
	}
	strbuf_adds(b, v->default_server ? " (none is written: its own machine)" : "");
	strbuf_addf(b, "; ndots:%u timeout:%u attempts:%u%s%s%s%s%s", v->ndots, v->timeout_s, v->attempts, v->rotate ? " rotate" : "",
		    v->single_request ? " single-request" : "", v->single_request_reopen ? " single-request-reopen" : "", v->use_vc ? " use-vc" : "",
		    v->edns0 ? " edns0" : "");
	strbuf_addf(b, "\n" CONF_INDENT "%s", v->nsearches ? "search" : "no search list");
	for (size_t i = 0, column = strlen(CONF_INDENT "search"); i < v->nsearches; i++) {
		const char *domain = *v->searches[i] ? v->searches[i] : ".";
		if (column > WIDTH - 1 - MIN(strlen(domain), (size_t)WIDTH - 40)) {
			strbuf_adds(b, "\n" CONF_INDENT "      ");
			column = strlen(CONF_INDENT "search");
		}
		strbuf_addc(b, ' ');
		strbuf_add_clean(b, domain);
		column += 1 + strlen(domain);
	}
}

static void left_out(struct strbuf *b, const struct resolv_view *v)
{
	for (size_t i = 0; i < v->left_out.len; i++) {
		struct strbuf line CLEANUP(strbuf_release) = STRBUF_INIT;
		const struct resolv_left_out *l = &v->left_out.v[i];
		strbuf_addf(&line, "%s leaves out %s", libc_name(v->libc), l->what);
		if (l->line) {
			strbuf_addf(&line, " (line %u)", l->line);
		}
		strbuf_addf(&line, ": %s", l->why);
		strbuf_adds(b, CONF_INDENT);
		strbuf_add_clean(b, strbuf_str(&line));
		strbuf_addc(b, '\n');
	}
}

static bool same_view(const struct strbuf *a, const struct strbuf *b)
{
	return strcmp(strbuf_str(a), strbuf_str(b)) == 0;
}

static void conf_lines(struct strbuf *b, const struct dns_views *v, const struct snap_dns *from)
{
	struct strbuf texts[LIBC_COUNT] = { STRBUF_INIT, STRBUF_INIT };
	bool same;
	if (!v->known) {
		strbuf_adds(b, "  resolv.conf  not known: what is appended to a name is not known either\n");
		return;
	}
	for (int l = 0; l < LIBC_COUNT; l++) {
		add_view(&texts[l], &v->v[l]);
	}
	same = from->libc < 0 && same_view(&texts[0], &texts[1]);
	for (int l = 0; l < LIBC_COUNT; l++) {
		if ((from->libc >= 0 && from->libc != l) || (same && l > 0)) {
			continue;
		}
		strbuf_adds(b, l == 0 || from->libc == l ? "  resolv.conf  " : CONF_INDENT);
		strbuf_adds(b, from->where == DNS_FROM_NODE ? "the node's own: " : "");
		strbuf_addf(b, "%s%s%s\n", same || from->libc == l ? "" : libc_name((enum libc)l), same || from->libc == l ? "" : ": ", strbuf_str(&texts[l]));
		left_out(b, &v->v[l]);
	}
	for (int l = 1; same && l < LIBC_COUNT; l++) {
		left_out(b, &v->v[l]);
	}
	for (int l = 0; l < LIBC_COUNT; l++) {
		b->failed |= texts[l].failed;
		strbuf_release(&texts[l]);
	}
}

static void place_head(const struct report *r, struct strbuf *b, const struct snap_dns *from)
{
	struct strbuf label CLEANUP(strbuf_release) = STRBUF_INIT;
	strbuf_add_clean(&label, from->label);
	strbuf_addc(b, '\n');
	strbuf_adds(b, "from ");
	text_styled(r, b, STYLE_BOLD, strbuf_str(&label));
	if (from->node && from->where != DNS_FROM_NODE) {
		strbuf_adds(b, " on ");
		strbuf_add_clean(b, from->node);
	}
	strbuf_adds(b, from->live ? ", asked just now" : ", as recorded");
	if (from->libc >= 0) {
		strbuf_addf(b, "   libc: %s", libc_name((enum libc)from->libc));
	}
	if (from->where == DNS_FROM_NODE) {
		strbuf_adds(b, "   names as a pod there would ask for them");
	}
	strbuf_addc(b, '\n');
}

/* ---- names ---- */

static bool same_walk(const struct dns_name_row *a, const struct dns_name_row *b)
{
	if (strcmp(a->result, b->result) != 0 || a->walk.queries != b->walk.queries || a->walk.steps.len != b->walk.steps.len) {
		return false;
	}
	for (size_t i = 0; i < a->walk.steps.len; i++) {
		if (strcmp(a->walk.steps.v[i].name, b->walk.steps.v[i].name) != 0 || a->walk.steps.v[i].needed != b->walk.steps.v[i].needed) {
			return false;
		}
	}
	return true;
}

/* The names of one place, by what is typed, of each libc: those that stand first. */
struct by_libc {
	struct map typed[LIBC_COUNT];
};

static void by_libc_release(struct by_libc *m)
{
	for (int l = 0; l < LIBC_COUNT; l++) {
		map_release(&m->typed[l]);
	}
}

static int by_libc_make(const struct dns_report *n, const struct snap_dns *from, struct by_libc *ret)
{
	for (size_t i = 0; i < n->names.len; i++) {
		struct dns_name_row *x = &n->names.v[i];
		if (x->from == from && !map_gets(&ret->typed[x->libc], x->typed) && map_puts(&ret->typed[x->libc], x->typed, x) < 0) {
			return -ENOMEM;
		}
	}
	return 0;
}

/* The same name at the same place, of the other libc. */
static const struct dns_name_row *twin(const struct by_libc *m, const struct dns_name_row *x)
{
	return map_gets(&m->typed[x->libc == LIBC_GLIBC ? LIBC_MUSL : LIBC_GLIBC], x->typed);
}

static void step_lines(const struct report *r, struct strbuf *b, const struct libc_walk *w)
{
	size_t shown = 0, unsent = 0, more = 0;
	for (size_t i = 0; i < w->steps.len; i++) {
		const struct libc_step *s = &w->steps.v[i];
		struct strbuf name CLEANUP(strbuf_release) = STRBUF_INIT;
		if (!s->needed && !r->verbose) {
			unsent++;
			continue;
		}
		if (shown >= STEPS_SHOWN && !r->verbose) {
			more++;
			continue;
		}
		shown++;
		strbuf_add_clean(&name, s->name);
		strbuf_addf(b, "      %2zu  %-*s  ", i + 1, NAME_WIDTH, strbuf_str(&name));
		strbuf_add_clean(b, s->needed ? (s->outcome ? s->outcome : "") : "not sent");
		strbuf_adds(b, s == w->winner ? "  <- decides\n" : "\n");
		b->failed |= name.failed;
	}
	if (more) {
		strbuf_addf(b, "          and %zu more (-v shows them)\n", more);
	}
	if (w->stopped) {
		strbuf_adds(b, "          ");
		strbuf_add_clean(b, w->stopped);
		strbuf_addc(b, '\n');
	}
	(void)unsent;
}

/* @ways: only what was typed shows how it is looked up. */
static void name_lines(const struct report *r, struct strbuf *b, const struct dns_name_row *x, bool both, bool ways)
{
	struct strbuf typed CLEANUP(strbuf_release) = STRBUF_INIT;
	const char *mark = x->ok == 1 ? "ok" : x->ok == 0 ? "x" : "?";
	strbuf_addf(b, "  ");
	text_styled(r, b, x->ok == 1 ? STYLE_GOOD : x->ok == 0 ? STYLE_BAD : STYLE_WARN, mark);
	strbuf_addf(b, "%*s", (int)(4 - strlen(mark)), "");
	strbuf_add_clean(&typed, x->typed);
	text_styled(r, b, STYLE_BOLD, strbuf_str(&typed));
	strbuf_adds(b, "   ");
	strbuf_add_clean(b, x->result);
	if (x->ok == 0 && x->walk.result == LIBC_RESOLVED) {
		strbuf_adds(b, ", which is not what the API says");
	}
	if (!both && x->from->libc < 0) {
		strbuf_addf(b, "   (%s)", libc_name(x->libc));
	}
	if (x->walk.queries) {
		strbuf_addf(b, "   %zu quer%s", x->walk.queries, x->walk.queries == 1 ? "y" : "ies");
	}
	strbuf_addc(b, '\n');
	b->failed |= typed.failed;
	/* of what resolves as it must, the way there is told for what was typed */
	bool told = x->walk.steps.len > 0 && x->walk.winner == &x->walk.steps.v[0] && x->ok == 1;
	if (r->verbose || (ways ? x->asked && !told : x->ok != 1 && x->walk.result != LIBC_RESOLVED)) {
		step_lines(r, b, &x->walk);
	}
}

static bool any_asked(const struct dns_report *n, const struct snap_dns *from)
{
	for (size_t i = 0; i < n->names.len; i++) {
		if (n->names.v[i].from == from && n->names.v[i].asked) {
			return true;
		}
	}
	return false;
}

static void names(const struct report *r, struct strbuf *b, const struct dns_report *n, const struct snap_dns *from)
{
	struct by_libc m CLEANUP(by_libc_release) = { 0 };
	bool ways = any_asked(n, from);
	b->failed |= by_libc_make(n, from, &m) < 0;
	for (size_t i = 0; i < n->names.len; i++) {
		const struct dns_name_row *x = &n->names.v[i], *y = x->from == from ? twin(&m, x) : NULL;
		bool both = y && same_walk(x, y);
		if (x->from != from || (both && x->libc != LIBC_GLIBC && !r->verbose)) {
			continue;
		}
		name_lines(r, b, x, both && !r->verbose, ways);
	}
}

/* ---- servers ---- */

static const char *keep(struct table *t, struct arena *a, const char *s)
{
	const char *copy = arena_strdup(a, s);
	t->failed |= s && !copy;
	return copy;
}

static void server_cells(struct table *t, struct arena *a, const struct dns_server_row *x)
{
	char address[IP_ENDPOINT_STRLEN], text[80];
	table_text(t, keep(t, a, x->port == 53 ? ip_addr_format(&x->addr, address) : ip_endpoint_format(&x->addr, x->port, address)));
	table_text(t, x->tcp ? "TCP" : "UDP");
	(void)snprintf(text, sizeof(text), "%zu of %zu", x->answered, x->asked);
	table_text(t, x->asked ? keep(t, a, text) : NULL);
	if (x->min_us == x->max_us) {
		(void)snprintf(text, sizeof(text), "%.1f", x->median_us / 1e3);
	} else {
		(void)snprintf(text, sizeof(text), "%.1f (%.1f-%.1f)", x->median_us / 1e3, x->min_us / 1e3, x->max_us / 1e3);
	}
	table_text(t, x->max_us ? keep(t, a, text) : NULL);
	table_text(t, x->result);
	table_text(t, x->node);
	table_text(t, x->what);
}

static void servers(const struct report *r, struct strbuf *b, const struct dns_report *n, const struct snap_dns *from)
{
	struct arena a CLEANUP(arena_release) = { 0 };
	struct table t CLEANUP(table_release) = { .columns = server_columns, .ncolumns = ARRAY_LEN(server_columns) };
	for (size_t i = 0; i < n->servers.len; i++) {
		if (n->servers.v[i].from == from) {
			server_cells(&t, &a, &n->servers.v[i]);
		}
	}
	if (table_rows(&t)) {
		table_print(r, b, &t, 0, table_rows(&t));
	}
	b->failed |= t.failed;
}

/* ---- answers ---- */

/* One answer to one question, whoever gave it. */
struct told {
	const struct dns_record_row *row; /* the first of them */
	const struct dns_question *q[SERVERS_SHOWN];
	size_t servers;
};
struct told_list {
	ARRAY_OF(struct told *) v; /* in the order of asking */
	struct map by_text;
	struct arena arena;
};

static void told_release(struct told_list *l)
{
	array_free(&l->v);
	map_release(&l->by_text);
	arena_release(&l->arena);
}

/* Each server once, however often it was asked. */
static int told_by(struct told_list *l, struct told *t, const char *key, const struct dns_question *q)
{
	char buf[IP_ADDR_STRLEN];
	char *at = arena_printf(&l->arena, "%s\n%s %u %d", key, ip_addr_format(&q->server, buf), q->port, q->tcp);
	if (at && map_gets(&l->by_text, at)) {
		return 0;
	}
	if (!at || map_puts(&l->by_text, at, t) < 0) {
		return -ENOMEM;
	}
	if (t->servers++ < SERVERS_SHOWN) {
		t->q[t->servers - 1] = q;
	}
	return 0;
}

static int tell(struct told_list *l, const struct dns_record_row *x)
{
	const struct dns_question *q = &x->answer->q;
	char *key = arena_printf(&l->arena, "%s %d %u %s", x->got, x->ok, q->type, q->name);
	for (char *p = key ? key + strlen(key) - strlen(q->name) : NULL; p && *p; p++) {
		*p = (char)tolower((unsigned char)*p);
	}
	struct told *t = key ? map_gets(&l->by_text, key) : NULL;
	if (!t) {
		t = arena_new(&l->arena, struct told);
		if (!key || !t || map_puts(&l->by_text, key, t) < 0 || array_push(&l->v, t) < 0) {
			return -ENOMEM;
		}
		t->row = x;
	}
	return q->server.family ? told_by(l, t, key, q) : 0;
}

static void told_line(struct strbuf *b, const struct told *t)
{
	struct strbuf line CLEANUP(strbuf_release) = STRBUF_INIT;
	const struct dns_record_row *x = t->row;
	char type[DNS_TYPE_STRLEN], buf[IP_ADDR_STRLEN];
	strbuf_addf(&line, "%s %s", dns_type_name(x->answer->q.type, type), x->answer->q.name);
	for (size_t i = 0; i < MIN(t->servers, (size_t)SERVERS_SHOWN); i++) {
		strbuf_addf(&line, "%s%s%s", i ? ", " : " at ", ip_addr_format(&t->q[i]->server, buf), t->q[i]->tcp ? "/TCP" : "");
	}
	if (t->servers > SERVERS_SHOWN) {
		strbuf_addf(&line, " and %zu more", t->servers - SERVERS_SHOWN);
	}
	strbuf_addf(&line, ": %s", x->got);
	strbuf_adds(b, x->ok == 0 ? "  differs  " : "  answer   ");
	strbuf_add_clean(b, strbuf_str(&line));
	strbuf_addc(b, '\n');
	if (x->expected && x->ok == 0) {
		strbuf_adds(b, "           the API says ");
		strbuf_add_clean(b, x->expected);
		strbuf_addc(b, '\n');
	}
	b->failed |= line.failed;
}

static void record_lines(const struct report *r, struct strbuf *b, const struct dns_report *n, const struct snap_dns *from)
{
	struct told_list l CLEANUP(told_release) = { 0 };
	for (size_t i = 0; i < n->records.len; i++) {
		const struct dns_record_row *x = &n->records.v[i];
		if (x->from == from && (x->ok == 0 || r->verbose) && tell(&l, x) < 0) {
			b->failed = true;
			return;
		}
	}
	for (size_t i = 0; i < l.v.len; i++) {
		told_line(b, l.v.v[i]);
	}
}

/* ---- the whole ---- */

static void place_text(const struct report *r, struct strbuf *b, const struct dns_report *n, const struct snap_dns *from)
{
	struct arena a CLEANUP(arena_release) = { 0 };
	struct dns_views v CLEANUP(dns_views_release) = { 0 };
	if (dns_views_make(&a, from, &v) < 0) {
		b->failed = true;
		return;
	}
	place_head(r, b, from);
	conf_lines(b, &v, from);
	names(r, b, n, from);
	servers(r, b, n, from);
	record_lines(r, b, n, from);
}

static void not_asked(const struct report *r, struct strbuf *b, const struct dns_report *n)
{
	size_t shown = r->verbose ? n->left.len : MIN(n->left.len, (size_t)LEFT_SHOWN);
	for (size_t i = 0; i < shown; i++) {
		strbuf_adds(b, i == 0 ? "\nnot asked: " : "           ");
		strbuf_add_clean(b, n->left.v[i].what);
		strbuf_adds(b, ": ");
		strbuf_add_clean(b, n->left.v[i].reason);
		strbuf_addc(b, '\n');
	}
	if (shown < n->left.len) {
		strbuf_addf(b, "           and %zu more (-v shows them)\n", n->left.len - shown);
	}
}

static void from_inside(const struct report *r, struct strbuf *b, const struct dns_report *n)
{
	for (size_t i = 0; i < n->inside.len; i++) {
		strbuf_adds(b, i == 0 ? "\nto ask from inside the cluster:\n  " : "  ");
		text_command(r, b, n->inside.v[i]);
		strbuf_addc(b, '\n');
	}
}

static int causes(const struct report *r, struct strbuf *b, const struct diagnosis *d, size_t *ret_n)
{
	size_t n = 0;
	const struct finding **v = causes_sorted(d, &n);
	if (!v) {
		return -ENOMEM;
	}
	*ret_n = 0;
	for (size_t i = 0; i < n && (r->verbose || v[i]->severity > SEVERITY_INFO); i++) {
		strbuf_adds(b, r->quiet ? "" : "\n");
		text_cause(r, b, v[i], r->quiet ? DETAIL_LINE : DETAIL_FULL, true);
		(*ret_n)++;
	}
	free(v);
	return 0;
}

static void verdict(struct strbuf *b, const struct dns_report *n, const struct diagnosis *d)
{
	size_t bad = 0, unknown = 0, good = 0, compared = 0, none = 0;
	bool foreign = false;
	for (size_t i = 0; i < n->names.len; i++) {
		foreign |= n->names.v[i].control && n->names.v[i].ok == 0 && dns_looks_foreign(n->names.v[i].from);
		compared += n->names.v[i].as_expected;
		bad += n->names.v[i].ok == 0 && !n->names.v[i].harmless;
		none += n->names.v[i].ok == 0 && n->names.v[i].harmless;
		unknown += n->names.v[i].ok < 0;
		good += n->names.v[i].ok == 1;
	}
	if (!d->axis_has_source[AXIS_NAME]) {
		strbuf_adds(b, "\nno fault found without asking DNS\n");
	} else if (bad + none + unknown == 0 && good > 0 && !d->inconclusive) {
		strbuf_adds(b, compared ? "\nevery name resolves\n" : "\nevery name resolves; whether to the right addresses cannot be told\n");
	} else if (bad == 0) {
		strbuf_adds(b, good == 0 && unknown == 0 ? "\nno fault found, and no name that is known to resolve\n" : unknown > 0 ? "\nno fault found; of some names not every answer is there\n" : "\nno fault found\n");
	} else {
		strbuf_adds(b, "\nsome names do not resolve, and no check tells why\n");
		strbuf_adds(b, !foreign ? "" : "resolv.conf has no search domain of a cluster: this machine is probably in none (--pid asks as a process of a pod)\n");
	}
}

static bool any_tried(const struct snapshot *s)
{
	for (size_t i = 0; i < s->dns.len; i++) {
		if (s->dns.v[i]->live && s->dns.v[i]->answers.len) {
			return true;
		}
	}
	return false;
}

static void not_looked_at(const struct report *r, struct strbuf *b, const struct dns_report *n, const struct diagnosis *d)
{
	if (d->axis_has_source[AXIS_NAME]) {
		return;
	}
	strbuf_adds(b, "not looked at: what DNS answers (");
	strbuf_add_clean(b, any_tried(r->snapshot) ? "none of the questions could be asked" : n->outside ? dns_why_outside(r->snapshot) :
			    d->axis_why_not[AXIS_NAME] ? d->axis_why_not[AXIS_NAME] : "nothing was asked");
	strbuf_adds(b, ")\n");
}

/* Without a cluster most checks are skipped, which is no news; what was not asked is. */
static void unasked(struct strbuf *b, const struct diagnosis *d)
{
	for (size_t i = 0; i < d->skipped.len; i++) {
		const struct skipped_check *s = &d->skipped.v[i];
		if (strcmp(s->check, "dns") == 0 && s->reason) {
			strbuf_adds(b, "\nnot checked: ");
			strbuf_add_clean(b, s->reason);
			strbuf_addc(b, '\n');
		}
	}
}

static int dns_text(const struct report *r, const struct dns_report *n, const struct diagnosis *d)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	size_t found = 0;
	head(r, &b, n);
	if (!r->quiet) {
		not_looked_at(r, &b, n, d);
	}
	for (size_t i = 0; !r->quiet && i < r->snapshot->dns.len; i++) {
		if (dns_place_shown(n, r->snapshot->dns.v[i])) {
			place_text(r, &b, n, r->snapshot->dns.v[i]);
		}
	}
	int err = causes(r, &b, d, &found);
	if (!r->quiet) {
		if (found == 0) {
			verdict(&b, n, d);
		}
		not_asked(r, &b, n);
		from_inside(r, &b, n);
		if (r->snapshot->any_cluster || r->verbose) {
			text_skipped(r, &b, d);
		} else {
			unasked(&b, d);
		}
	}
	return err < 0 ? err : text_write(r, &b);
}

int report_dns(const struct report *r, const struct dns_report *n, const struct diagnosis *d)
{
	if (r->format == REPORT_LINES) {
		return lines_findings(r, d);
	}
	return r->format == REPORT_JSON ? dns_json(r, n, d) : dns_text(r, n, d);
}
