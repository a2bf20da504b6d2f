/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command proxy as text: how many nodes are well, those that are not in a table, what is set other than as it comes, and the causes. A node that
 * was asked for, and every node with -v or where there are two at most, has a block that tells all that is known of its kube-proxy.
 */
#include <errno.h>
#include <math.h>

#include "proxy-private.h"

enum { BLOCKS = 2, TABLE_ROWS = 8, HISTORY_SHOWN = 3, GOOD_SHOWN = 4, HARMLESS_SHOWN = 4, NAMES_SHOWN = 3, UNKNOWN_SHOWN = 3, CAUSES_FULL = 2, SHORT = 5, SCREEN = 34, LOG_TEXT = 220, LOG_HEAD = 100 };

static const struct column node_columns[] = {
	{ "node", "NODE" }, { "state", "STATE" }, { "mode", "MODE" }, { "version", "VERSION" }, { "synced", "RULES WRITTEN" }, { "rules", "SERVICE PORTS" }, { "log", "LOG" },
	{ "health", "HEALTH" },
};

static enum style style_of(enum proxy_state s)
{
	return s == PROXY_WELL ? STYLE_GOOD : s == PROXY_FAULTY ? STYLE_BAD : s == PROXY_WARNED || s == PROXY_UNTOLD ? STYLE_WARN : STYLE_DIM;
}

static const char *mark_of(enum proxy_state s)
{
	return s == PROXY_WELL ? "ok" : s == PROXY_FAULTY ? "x" : s == PROXY_WARNED ? "!" : s == PROXY_UNTOLD ? "?" : "-";
}

/* ---- times ---- */

/* "41 minutes": two of a unit as the smaller one. */
static void add_duration(struct strbuf *b, int64_t s)
{
	static const struct {
		int64_t size;
		const char *name;
	} units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" } };
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (s >= 2 * units[i].size) {
			strbuf_addf(b, "%lld %ss", (long long)(s / units[i].size), units[i].name);
			return;
		}
	}
	strbuf_addf(b, "%lld second%s", (long long)s, s == 1 ? "" : "s");
}

static void add_time(struct strbuf *b, int64_t t, int64_t now)
{
	char buf[32];
	struct tm tm;
	const time_t at = (time_t)t;
	if (now >= t) {
		add_duration(b, now - t);
		strbuf_adds(b, " ago");
	} else if (gmtime_r(&at, &tm) && strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M:%S UTC", &tm)) {
		strbuf_adds(b, buf);
	}
}

static void add_seconds(struct strbuf *b, double s)
{
	if (s < 1) {
		strbuf_addf(b, "%.0f ms", s * 1000);
	} else {
		strbuf_addf(b, s < 10 ? "%.1f s" : "%.0f s", s);
	}
}

/* ---- parts of a node ---- */

static bool same_times(const int64_t v[static 2])
{
	return v[0] == v[1];
}

static void add_each(struct strbuf *b, const struct proxy_row *row, const int64_t v[static 2])
{
	if (!row->by_family || same_times(v)) {
		add_time(b, MAX(v[0], v[1]), row->now);
		return;
	}
	for (int i = 0; i < 2; i++) {
		strbuf_addf(b, "%sIPv%d ", i ? ", " : "", i ? 6 : 4);
		if (v[i]) {
			add_time(b, v[i], row->now);
		} else {
			strbuf_adds(b, "never");
		}
	}
}

static void add_rules(struct strbuf *b, const struct proxy_row *row)
{
	if (row->complete == row->wanted) {
		strbuf_addf(b, "all %zu", row->wanted);
	} else {
		strbuf_addf(b, "%zu of %zu", row->complete, row->wanted);
	}
}

static void add_mode(struct strbuf *b, const struct proxy_row *row)
{
	const char *mode = row->mode ? row->mode : row->asked;
	strbuf_add_clean(b, mode ? mode : "mode not known");
	if (row->mode && row->asked && strcmp(row->mode, row->asked) != 0) {
		strbuf_adds(b, " (");
		strbuf_add_clean(b, row->asked);
		strbuf_adds(b, " is configured)");
	} else if (!row->mode && row->asked) {
		strbuf_adds(b, " (as configured)");
	}
}

static void add_log_count(struct strbuf *b, const struct proxy_row *row)
{
	size_t unknown = row->log ? row->log->summary.errors_unknown : 0;
	if (row->errors) {
		strbuf_addf(b, "%zu error%s", row->errors, row->errors == 1 ? "" : "s");
	}
	if (unknown) {
		strbuf_addf(b, "%s%zu unknown", row->errors ? ", " : "", unknown);
	}
}

/* ---- the first lines ---- */

static void count_line(const struct report *r, struct strbuf *b, const struct proxy_report *p)
{
	static const struct {
		enum proxy_state state;
		const char *words;
	} states[] = { { PROXY_WELL, "well" }, { PROXY_FAULTY, "with errors" }, { PROXY_WARNED, "with warnings" }, { PROXY_UNTOLD, "not known" },
		       { PROXY_REPLACED, "without kube-proxy" } };
	size_t n[PROXY_REPLACED + 1] = { 0 }, nodes = 0;
	bool first = true;
	for (size_t i = 0; i < p->rows.len; i++) {
		n[p->rows.v[i].state]++;
		nodes += p->rows.v[i].node != NULL;
	}
	strbuf_addf(b, "\nkube-proxy on %zu node%s", nodes, nodes == 1 ? "" : "s");
	if (nodes < p->rows.len) {
		strbuf_addf(b, ", and %zu log%s of no known node", p->rows.len - nodes, p->rows.len - nodes == 1 ? "" : "s");
	}
	strbuf_adds(b, ": ");
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		struct strbuf one CLEANUP(strbuf_release) = STRBUF_INIT;
		if (!n[states[i].state]) {
			continue;
		}
		strbuf_addf(&one, "%zu %s", n[states[i].state], states[i].words);
		strbuf_adds(b, first ? "" : ", ");
		text_styled(r, b, style_of(states[i].state), strbuf_str(&one));
		first = false;
	}
	strbuf_addc(b, '\n');
}

/* ---- what nodes have in common ---- */

typedef void value_fn(struct strbuf *b, const struct proxy_row *row);

static void version_value(struct strbuf *b, const struct proxy_row *row)
{
	strbuf_add_clean(b, row->version ? row->version : "");
}

/* "v1.36.2", or "v1.36.2 (18 nodes), v1.34.1 (n1, n2)": the most frequent first. */
struct kind {
	char *value;
	size_t n, first[NAMES_SHOWN];
};
struct kinds {
	ARRAY_OF(struct kind) v;
	bool failed;
};

static void kinds_release(struct kinds *k)
{
	for (size_t i = 0; i < k->v.len; i++) {
		free(k->v.v[i].value);
	}
	array_free(&k->v);
}

static void kinds_add(struct kinds *k, const char *value, size_t row)
{
	size_t i = 0;
	while (i < k->v.len && strcmp(k->v.v[i].value, value) != 0) {
		i++;
	}
	if (i == k->v.len) {
		struct kind x = { .value = strdup(value) };
		if (!x.value || array_push(&k->v, x) < 0) {
			free(x.value);
			k->failed = true;
			return;
		}
	}
	struct kind *x = &k->v.v[i];
	if (x->n < NAMES_SHOWN) {
		x->first[x->n] = row;
	}
	x->n++;
}

static int kind_order(const void *a, const void *b)
{
	const struct kind *x = a, *y = b;
	return x->n != y->n ? (x->n > y->n ? -1 : 1) : strcmp(x->value, y->value);
}

static void add_kinds(struct strbuf *b, const struct proxy_report *p, struct kinds *k)
{
	if (k->v.len > 1) {
		qsort(k->v.v, k->v.len, sizeof(*k->v.v), kind_order);
	}
	for (size_t i = 0; i < k->v.len && i < NAMES_SHOWN + 1; i++) {
		const struct kind *x = &k->v.v[i];
		strbuf_adds(b, i ? "; " : "");
		strbuf_adds(b, *x->value ? x->value : "not set");
		if (k->v.len == 1) {
			continue;
		}
		strbuf_adds(b, " on ");
		if (x->n > NAMES_SHOWN) {
			strbuf_addf(b, "%zu nodes", x->n);
		}
		for (size_t j = 0; j < x->n && x->n <= NAMES_SHOWN; j++) {
			strbuf_adds(b, j ? ", " : "");
			strbuf_add_clean(b, p->rows.v[x->first[j]].label);
		}
	}
	if (k->v.len > NAMES_SHOWN + 1) {
		strbuf_addf(b, "; %zu more", k->v.len - NAMES_SHOWN - 1);
	}
	b->failed |= k->failed;
}

static void common_line(struct strbuf *b, const struct proxy_report *p, const char *label, value_fn *value)
{
	struct kinds k CLEANUP(kinds_release) = { 0 };
	for (size_t i = 0; i < p->rows.len; i++) {
		struct strbuf one CLEANUP(strbuf_release) = STRBUF_INIT;
		value(&one, &p->rows.v[i]);
		if (one.len) {
			kinds_add(&k, strbuf_str(&one), i);
		}
	}
	if (k.v.len) {
		strbuf_addf(b, "  %-13s ", label);
		add_kinds(b, p, &k);
		strbuf_addc(b, '\n');
	}
}

static void mode_value(struct strbuf *b, const struct proxy_row *row)
{
	if (row->mode || row->asked) {
		add_mode(b, row);
	}
}

/* ---- settings ---- */

/* Is it worth a line: set other than as it comes, or not the same everywhere? What it always is on a node is not. */
static bool is_shown(const struct report *r, const struct proxy_report *p, enum proxy_key k)
{
	const char *first = NULL;
	bool differs = false, set = false;
	for (size_t i = 0; i < p->rows.len; i++) {
		const struct proxy_setting *s = &p->rows.v[i].settings[k];
		if (s->value) {
			differs |= first && strcmp(first, s->value) != 0;
			set |= !s->standard;
			first = first ? first : s->value;
		}
	}
	if (k == KEY_HOSTNAME) {
		return set;
	}
	return first && k != KEY_MODE && (set || differs || k == KEY_CLUSTER_CIDR || r->verbose);
}

static void setting_line(struct strbuf *b, const struct proxy_report *p, enum proxy_key key)
{
	struct kinds k CLEANUP(kinds_release) = { 0 };
	for (size_t i = 0; i < p->rows.len; i++) {
		struct strbuf one CLEANUP(strbuf_release) = STRBUF_INIT;
		const struct proxy_setting *s = &p->rows.v[i].settings[key];
		if (s->value && !(key == KEY_HOSTNAME && s->standard)) {
			strbuf_add_clean(&one, s->value);
			kinds_add(&k, strbuf_str(&one), i);
		}
	}
	strbuf_addf(b, "  %-22s ", proxy_key_name(key));
	add_kinds(b, p, &k);
	if (key == KEY_CLUSTER_CIDR && p->pod_cidrs) {
		strbuf_adds(b, "   (podCIDRs of the nodes: ");
		strbuf_add_clean(b, p->pod_cidrs);
		strbuf_addc(b, ')');
	}
	strbuf_addc(b, '\n');
}

static void settings(const struct report *r, struct strbuf *b, const struct proxy_report *p)
{
	struct strbuf lines CLEANUP(strbuf_release) = STRBUF_INIT;
	const char *source = NULL;
	bool mixed = false;
	for (int k = 0; k < PROXY_KEYS; k++) {
		if (is_shown(r, p, (enum proxy_key)k)) {
			setting_line(&lines, p, (enum proxy_key)k);
		}
	}
	for (size_t i = 0; i < p->rows.len; i++) {
		const struct kube_proxy_config *c = p->rows.v[i].config;
		const char *of = c->known && c->source ? c->source : NULL;
		mixed |= of && source && strcmp(of, source) != 0;
		source = source ? source : of;
	}
	if (!lines.len) {
		return;
	}
	strbuf_adds(b, "\nconfiguration, ");
	strbuf_adds(b, r->verbose ? "all that is read of it" : "where it is not as it comes or differs between nodes");
	if (source) {
		strbuf_adds(b, ": ");
		strbuf_add_clean(b, source);
		strbuf_adds(b, mixed ? " and others" : "");
	}
	strbuf_addc(b, '\n');
	strbuf_adds(b, strbuf_str(&lines));
	b->failed |= lines.failed;
}

/* ---- logs ---- */

static const char *line_word(const struct proxy_line *l)
{
	switch (log_hit_weight(l->hit)) {
	case LOG_HARMLESS:
		return "harmless";
	case LOG_GOOD:
		return "good";
	case LOG_WARNING:
		return l->history ? "history" : "warning";
	case LOG_ERROR:
		return l->history ? "history" : "error";
	}
	return "";
}

static enum style line_style(const struct proxy_line *l)
{
	const enum log_weight w = log_hit_weight(l->hit);
	return l->history || w == LOG_HARMLESS ? STYLE_DIM : w == LOG_GOOD ? STYLE_GOOD : w == LOG_WARNING ? STYLE_WARN : STYLE_BAD;
}

/* " (5 times, 07:30 to 07:41)" */
static void add_when(struct strbuf *b, size_t count, const char *first, const char *last)
{
	bool span = first && last && strcmp(first, last) != 0;
	if (count <= 1 && !last) {
		return;
	}
	strbuf_adds(b, " (");
	if (count > 1) {
		strbuf_addf(b, "%zu times%s", count, last ? ", " : "");
	}
	if (span) {
		strbuf_add_clean(b, first);
		strbuf_adds(b, " to ");
	}
	strbuf_add_clean(b, last ? last : "");
	strbuf_addc(b, ')');
}

/* A line as it was written. Unless all is asked for, it is cut in its middle: what it says stands at its beginning, and the error often at its end. */
static void add_line(const struct report *r, struct strbuf *b, const char *text)
{
	struct strbuf clean CLEANUP(strbuf_release) = STRBUF_INIT;
	strbuf_add_clean(&clean, text);
	const char *s = strbuf_str(&clean), *told = strstr(s, " logger=\"UnhandledError\"");
	const size_t len = told && !r->verbose ? (size_t)(told - s) : clean.len;
	size_t from = len, n = len;
	if (!r->verbose && len > LOG_TEXT) {
		n = LOG_HEAD;
		from = len - (LOG_TEXT - LOG_HEAD);
	}
	while (n < len && n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80) {
		n--;
	}
	while (from < len && ((unsigned char)s[from] & 0xc0) == 0x80) {
		from++;
	}
	strbuf_adds(b, "              ");
	strbuf_add(b, s, n);
	strbuf_adds(b, from < len ? " ... " : "");
	strbuf_add(b, s + from, len - from);
	strbuf_addc(b, '\n');
	b->failed |= clean.failed;
}

/* "load the module xt_NAME on the node", with the name that the line tells. */
static void add_todo(struct strbuf *b, const char *todo, const char *name)
{
	static const char place[] = "xt_NAME";
	const char *at = strstr(todo, place);
	const size_t n = name ? strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") : 0;

	strbuf_adds(b, "              to do: ");
	if (at) {
		const bool known = n && !name[n];
		strbuf_addf(b, "%.*s%s%s%s\n", (int)(at - todo), todo, known ? "xt_" : "of that extension", known ? name : "", at + sizeof(place) - 1);
	} else {
		strbuf_addf(b, "%s\n", todo);
	}
}

static void log_line(const struct report *r, struct strbuf *b, const struct proxy_line *l)
{
	const struct log_kind *k = l->hit->reason ? l->hit->reason : l->hit->kind;
	const char *word = line_word(l);
	strbuf_adds(b, "    ");
	text_styled(r, b, line_style(l), word);
	strbuf_addf(b, "%*s", (int)(10 - strlen(word)), "");
	strbuf_add_clean(b, k->meaning ? k->meaning : k->id);
	if (l->hit->name) {
		strbuf_adds(b, ": ");
		strbuf_add_clean(b, l->hit->name);
	}
	strbuf_adds(b, l->log->previous ? " (the container before)" : "");
	add_when(b, l->hit->count, l->hit->first, l->hit->last);
	strbuf_addc(b, '\n');
	const enum log_weight w = log_hit_weight(l->hit);
	if (l->hit->text && (r->verbose || (!l->history && (w == LOG_ERROR || w == LOG_WARNING || (w == LOG_HARMLESS && l->loud))))) {
		add_line(r, b, l->hit->text);
	}
	const char *todo = k->todo ? k->todo : l->hit->kind->todo;
	if (todo && !l->history && (w == LOG_ERROR || w == LOG_WARNING)) {
		add_todo(b, todo, l->hit->name);
	}
}

static void unknown_lines(const struct report *r, struct strbuf *b, const struct snap_log *l)
{
	for (size_t i = 0; i < l->summary.unknown.len && (r->verbose || i < UNKNOWN_SHOWN); i++) {
		const struct log_unknown *u = &l->summary.unknown.v[i];
		strbuf_adds(b, "    ");
		text_styled(r, b, STYLE_WARN, "unknown");
		strbuf_adds(b, "   an error that is not known here");
		add_when(b, u->count, u->first, u->last);
		strbuf_addc(b, '\n');
		add_line(r, b, u->text ? u->text : "");
	}
	if (!r->verbose && l->summary.unknown.len > UNKNOWN_SHOWN) {
		strbuf_addf(b, "              and %zu more that %s not known (-v shows %s)\n", l->summary.unknown.len - UNKNOWN_SHOWN,
			    l->summary.unknown.len - UNKNOWN_SHOWN == 1 ? "is" : "are", l->summary.unknown.len - UNKNOWN_SHOWN == 1 ? "it" : "them");
	}
}

/* Lines of one kind, whatever they speak of: named apart only with -v. */
struct kind_line {
	struct proxy_line line; /* one of them, with the sum of all */
	struct log_hit sum;
};
struct kind_lines {
	ARRAY_OF(struct kind_line) v;
	bool failed;
};

static void kind_lines_release(struct kind_lines *k)
{
	array_free(&k->v);
}

static bool same_kind(const struct proxy_line *a, const struct proxy_line *b)
{
	return a->history == b->history && a->log == b->log && a->hit->kind == b->hit->kind && a->hit->reason == b->hit->reason;
}

static const char *earlier(const char *a, const char *b)
{
	return !a || (b && strcmp(b, a) < 0) ? b : a;
}

static void kind_lines_add(struct kind_lines *k, const struct proxy_line *l)
{
	for (size_t i = 0; i < k->v.len; i++) {
		struct kind_line *x = &k->v.v[i];
		if (same_kind(&x->line, l)) {
			x->sum.count += l->hit->count;
			x->sum.name = x->sum.name && l->hit->name && strcmp(x->sum.name, l->hit->name) == 0 ? x->sum.name : NULL;
			x->sum.first = earlier(x->sum.first, l->hit->first);
			x->sum.last = !l->hit->last || (x->sum.last && strcmp(x->sum.last, l->hit->last) > 0) ? x->sum.last : l->hit->last;
			return;
		}
	}
	k->failed |= array_push(&k->v, ((struct kind_line){ *l, *l->hit })) < 0;
}

/* What counts now is all shown; of the rest a few of each. */
static size_t room_for(const struct proxy_line *l)
{
	const enum log_weight w = log_hit_weight(l->hit);
	if (w == LOG_ERROR || w == LOG_WARNING) {
		return l->history ? HISTORY_SHOWN : SIZE_MAX;
	}
	return w == LOG_GOOD ? GOOD_SHOWN : HARMLESS_SHOWN;
}

static void log_lines(const struct report *r, struct strbuf *b, const struct proxy_row *row)
{
	struct kind_lines k CLEANUP(kind_lines_release) = { 0 };
	size_t shown[4][2] = { { 0 } }, left = 0;
	for (size_t i = 0; i < row->lines.len; i++) {
		if (r->verbose) {
			log_line(r, b, &row->lines.v[i]);
		} else {
			kind_lines_add(&k, &row->lines.v[i]);
		}
	}
	for (size_t i = 0; i < k.v.len; i++) {
		struct kind_line *x = &k.v.v[i];
		size_t *n = &shown[log_hit_weight(x->line.hit)][x->line.history];
		if (*n >= room_for(&x->line)) {
			left++;
			continue;
		}
		(*n)++;
		x->line.hit = &x->sum;
		log_line(r, b, &x->line);
	}
	if (left) {
		strbuf_addf(b, "              and %zu more kind%s of lines, good, harmless or history (-v shows %s)\n", left, left == 1 ? "" : "s", left == 1 ? "it" : "them");
	}
	if (row->log) {
		unknown_lines(r, b, row->log);
	}
	b->failed |= k.failed;
}

static void log_part(const struct report *r, struct strbuf *b, const struct proxy_row *row)
{
	const struct snap_log *l = row->log ? row->log : row->previous;
	if (!l) {
		return;
	}
	strbuf_addf(b, "  log       %zu line%s%s", l->summary.lines, l->summary.lines == 1 ? "" : "s", l->cut ? ", its end only" : "");
	if (l->summary.starts) {
		strbuf_addf(b, ", %zu start%s", l->summary.starts, l->summary.starts == 1 ? "" : "s");
	}
	if (l->summary.until) {
		strbuf_adds(b, ", until ");
		strbuf_add_clean(b, l->summary.until);
	}
	strbuf_adds(b, row->lines.len || l->summary.unknown.len ? "\n" : "; nothing in it that is known to mean anything\n");
	log_lines(r, b, row);
}

/* ---- a node in full ---- */

static void sync_part(struct strbuf *b, const struct proxy_row *row)
{
	struct strbuf line CLEANUP(strbuf_release) = STRBUF_INIT;
	if (row->synced[0] || row->synced[1]) {
		strbuf_adds(&line, "last finished ");
		add_each(&line, row, row->synced);
	}
	if (row->queued[0] || row->queued[1]) {
		strbuf_adds(&line, line.len ? "; last change came " : "last change came ");
		add_each(&line, row, row->queued);
	}
	if (!isnan(row->sync_p50)) {
		strbuf_addf(&line, "%s half take less than ", line.len ? ";" : "");
		add_seconds(&line, row->sync_p50);
		strbuf_adds(&line, ", 99 of 100 less than ");
		add_seconds(&line, row->sync_p99);
	}
	if (line.len) {
		strbuf_addf(b, "  syncs     %s\n", strbuf_str(&line));
	}
	if (!isnan(row->programming_p50)) {
		strbuf_adds(b, "            from a change of endpoints to rules: half less than ");
		add_seconds(b, row->programming_p50);
		strbuf_adds(b, ", 99 of 100 less than ");
		add_seconds(b, row->programming_p99);
		strbuf_addc(b, '\n');
	}
	if (row->restore_failures > 0 || row->nft_failures > 0) {
		strbuf_addf(b, "            failed since it started: %.0f\n", (isnan(row->restore_failures) ? 0 : row->restore_failures) +
			    (isnan(row->nft_failures) ? 0 : row->nft_failures));
	}
	b->failed |= line.failed;
}

static void rules_part(struct strbuf *b, const struct proxy_row *row)
{
	if (row->rules_known) {
		strbuf_adds(b, "  rules     ");
		add_rules(b, row);
		strbuf_addf(b, " Service ports have the rules that they need");
		if (row->complete < row->wanted) {
			strbuf_addf(b, "; %zu have none of them, %zu place%s differ", row->absent, row->chains_missing, row->chains_missing == 1 ? "" : "s");
		}
		strbuf_addc(b, '\n');
	}
	if (!isnan(row->rules_said)) {
		strbuf_addf(b, "  %s it says that it has written %.0f rules\n", row->rules_known ? "         " : "rules    ", row->rules_said);
	}
}

static void node_block(const struct report *r, struct strbuf *b, const struct proxy_row *row)
{
	struct strbuf label CLEANUP(strbuf_release) = STRBUF_INIT;
	strbuf_add_clean(&label, row->label);
	strbuf_addc(b, '\n');
	text_styled(r, b, STYLE_BOLD, strbuf_str(&label));
	strbuf_adds(b, "   ");
	text_styled(r, b, style_of(row->state), mark_of(row->state));
	strbuf_addc(b, ' ');
	strbuf_add_clean(b, row->words);
	strbuf_addc(b, '\n');
	if (row->runs || row->version) {
		strbuf_adds(b, "  runs      ");
		strbuf_add_clean(b, row->runs ? row->runs : "");
		strbuf_adds(b, row->runs && row->version ? ", " : "");
		strbuf_add_clean(b, row->version ? row->version : "");
		strbuf_addc(b, '\n');
	}
	if (row->mode || row->asked) {
		strbuf_adds(b, "  mode      ");
		add_mode(b, row);
		strbuf_addc(b, '\n');
	}
	if (row->health) {
		strbuf_adds(b, "  health    ");
		strbuf_add_clean(b, row->health);
		strbuf_addc(b, '\n');
	}
	sync_part(b, row);
	rules_part(b, row);
	if (row->conntrack_asked) {
		strbuf_addf(b, "  conntrack the node's nf_conntrack_max is %lld, and kube-proxy is to make it %lld at least: somebody has lowered it since\n",
			    (long long)row->conntrack_max, (long long)row->conntrack_asked);
	}
	log_part(r, b, row);
	b->failed |= label.failed;
}

/* ---- many nodes ---- */

static void table_kept(struct table *t, struct arena *a, const struct strbuf *b)
{
	const char *s = b->len ? arena_strdup(a, strbuf_str(b)) : NULL;
	t->failed |= b->failed || (b->len && !s);
	table_text(t, s);
}

static void node_cells(struct table *t, struct arena *a, const struct proxy_row *row)
{
	struct strbuf state CLEANUP(strbuf_release) = STRBUF_INIT, mode CLEANUP(strbuf_release) = STRBUF_INIT, synced CLEANUP(strbuf_release) = STRBUF_INIT,
		rules CLEANUP(strbuf_release) = STRBUF_INIT, log CLEANUP(strbuf_release) = STRBUF_INIT;
	strbuf_addf(&state, "%s %s", mark_of(row->state), row->words);
	mode_value(&mode, row);
	if (row->synced[0] || row->synced[1]) {
		int64_t oldest = !row->synced[1] ? row->synced[0] : !row->synced[0] ? row->synced[1] : MIN(row->synced[0], row->synced[1]);
		add_time(&synced, oldest, row->now);
	}
	if (row->rules_known) {
		add_rules(&rules, row);
	}
	add_log_count(&log, row);
	table_text(t, row->label);
	table_kept(t, a, &state);
	table_kept(t, a, &mode);
	table_text(t, row->version);
	table_kept(t, a, &synced);
	table_kept(t, a, &rules);
	table_kept(t, a, &log);
	table_text(t, row->health);
}

static void node_table(const struct report *r, struct strbuf *b, const struct proxy_report *p)
{
	struct arena a CLEANUP(arena_release) = { 0 };
	struct table t CLEANUP(table_release) = { .columns = node_columns, .ncolumns = ARRAY_LEN(node_columns) };
	static const enum proxy_state order[] = { PROXY_FAULTY, PROXY_WARNED, PROXY_UNTOLD, PROXY_REPLACED };
	size_t shown = 0, left = 0;
	for (size_t k = 0; k < ARRAY_LEN(order); k++) {
		for (size_t i = 0; i < p->rows.len; i++) {
			bool show = p->rows.v[i].state == order[k] && shown < TABLE_ROWS;
			left += p->rows.v[i].state == order[k] && !show;
			shown += show;
			if (show) {
				node_cells(&t, &a, &p->rows.v[i]);
			}
		}
	}
	if (shown) {
		strbuf_addc(b, '\n');
		table_print(r, b, &t, 0, table_rows(&t));
	}
	if (left) {
		strbuf_addf(b, "  and %zu more that are not well (-v shows every node)\n", left);
	}
	b->failed |= t.failed;
}

/* ---- the whole ---- */

static void nothing_known(const struct report *r, struct strbuf *b)
{
	strbuf_adds(b, "\nno node and no kube-proxy is known");
	strbuf_adds(b, r->snapshot->live ? ": neither nodes nor pods of kube-system could be read\n" : ": there are no files of nodes, no pods and no log\n");
	strbuf_addf(b, "its log alone: journalctl -u kube-proxy -o json | %s proxy --log -\n", r->program);
}

static bool is_log_alone(const struct proxy_report *p)
{
	for (size_t i = 0; i < p->rows.len; i++) {
		if (p->rows.v[i].node) {
			return false;
		}
	}
	return p->rows.len > 0;
}

/* One that --node gives a name, with nothing beside it. */
static bool is_named_log(const struct report *r, const struct proxy_report *p)
{
	const struct snapshot *s = r->snapshot;
	return p->rows.len == 1 && p->rows.v[0].log && !s->origin && !s->live && s->nodes.len <= 1 && (!s->nodes.len || !s->nodes.v[0]->live);
}

static void head(const struct report *r, struct strbuf *b, const struct proxy_report *p)
{
	if (is_log_alone(p) || is_named_log(r, p)) {
		strbuf_addf(b, "looked at: %s of kube-proxy alone   not looked at: nodes, rules, the cluster\n", p->rows.len == 1 ? "a log" : "logs");
		return;
	}
	text_looked_at(r, b, NULL);
	if (!p->rows.len) {
		nothing_known(r, b);
		return;
	}
	count_line(r, b, p);
	common_line(b, p, "version", version_value);
	if (p->cluster_version) {
		strbuf_adds(b, "  API server    ");
		strbuf_add_clean(b, p->cluster_version);
		strbuf_addc(b, '\n');
	}
	common_line(b, p, "mode", mode_value);
}

static size_t count_lines(const struct strbuf *b)
{
	size_t n = 0;
	for (size_t i = 0; i < b->len; i++) {
		n += b->s[i] == '\n';
	}
	return n;
}

/*
 * Those that are worth a line: notes only with -v. In full where there are few; where there are many nodes, as many as a screen has room for: some
 * short, the others a line each.
 */
static void causes(const struct report *r, struct strbuf *b, const struct proxy_report *p, const struct diagnosis *d)
{
	size_t n = 0, left = 0, all = 0;
	const struct finding **v = causes_sorted(d, &n);
	if (!v) {
		b->failed = true;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		all += v[i]->severity > SEVERITY_INFO;
	}
	const bool few = all <= CAUSES_FULL;
	bool lines = r->quiet;
	for (size_t i = 0; i < n; i++) {
		const size_t used = count_lines(b);
		const bool bounded = !r->verbose && !r->quiet && p->rows.len > BLOCKS && i > 0;
		if (!r->verbose && v[i]->severity == SEVERITY_INFO) {
			continue;
		}
		all -= v[i]->severity > SEVERITY_INFO; /* how many come behind it */
		if (bounded && used + 1 > SCREEN) {
			left++;
			continue;
		}
		bool now = lines || (bounded && used + SHORT + all > SCREEN);
		strbuf_adds(b, lines ? "" : "\n");
		lines = now;
		text_cause(r, b, v[i], now ? DETAIL_LINE : r->verbose || few ? DETAIL_FULL : DETAIL_SHORT, true);
	}
	if (left) {
		strbuf_addf(b, "and %zu more findings (-v shows them)\n", left);
	}
	free(v);
}

/* What kubelets and pods would have told: nothing depends on it, and much may hide behind it. */
static void not_read(const struct report *r, struct strbuf *b)
{
	bool first = true;
	for (size_t i = 0; i < r->snapshot->missing.len; i++) {
		const struct snap_missing *m = &r->snapshot->missing.v[i];
		if (m->kind >= 0 || !m->text) {
			continue;
		}
		strbuf_adds(b, first ? "\nnot read: " : "          ");
		strbuf_add_clean(b, m->text);
		strbuf_addc(b, '\n');
		first = false;
	}
}

static int proxy_text(const struct report *r, const struct proxy_report *p, const struct diagnosis *d)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	if (!r->quiet) {
		head(r, &b, p);
		bool blocks = r->verbose || p->rows.len <= BLOCKS;
		if (!blocks) {
			node_table(r, &b, p);
		}
		settings(r, &b, p);
		for (size_t i = 0; blocks && i < p->rows.len; i++) {
			node_block(r, &b, &p->rows.v[i]);
		}
	}
	causes(r, &b, p, d);
	if (!r->quiet) {
		text_skipped(r, &b, d);
		not_read(r, &b);
	}
	return text_write(r, &b);
}

int report_proxy(const struct report *r, const struct proxy_report *p, const struct diagnosis *d)
{
	switch (r->format) {
	case REPORT_LINES:
		return lines_findings(r, d);
	case REPORT_JUNIT:
		return junit_proxy(r, p, d);
	case REPORT_JSON:
		return proxy_json(r, p, d);
	case REPORT_TEXT:
		break;
	}
	return proxy_text(r, p, d);
}
