/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A rule's JSON in nft's own syntax, as `nft list ruleset` prints it, without the numbers of its counters. What has no
 * known form stays JSON, so that nothing of a rule is hidden.
 */
#include "nft-private.h"

/* How numbers and words of a field are printed. */
enum form { FORM_PLAIN, FORM_QUOTED, FORM_MARK, FORM_HEX2, FORM_HEX, FORM_TIME };
struct forms {
	uint8_t v[RS_KEY_PARTS];
};
struct printer {
	struct strbuf *b;
	size_t max;
	unsigned depth;
};

static void print(struct printer *p, const json_t *e, struct forms f);

static bool full(const struct printer *p)
{
	return p->b->failed || p->b->len > p->max;
}

static void adds(struct printer *p, const char *s)
{
	if (s && !full(p))
		strbuf_add(p->b, s, MIN(strlen(s), p->max));
}

/* ---- which form a field has ---- */

static bool is_one_of(const char *s, const char *const *words, size_t n)
{
	for (size_t i = 0; s && i < n; i++)
		if (strcmp(s, words[i]) == 0)
			return true;
	return false;
}

static enum form form_of_meta(const char *key)
{
	static const char *const quoted[] = {
		"iif", "oif", "iifname", "oifname", "ibrname", "obrname", "ibriport", "obriport", "iifkind", "oifkind", "sdif", "sdifname",
		"time", "hour", "day",
	};

	return str_is(key, "mark") ? FORM_MARK : is_one_of(key, quoted, ARRAY_LEN(quoted)) ? FORM_QUOTED : FORM_PLAIN;
}

static enum form form_of(const json_t *e, unsigned depth)
{
	const char *kind = NULL, *key;
	const json_t *arg = nft_member(e, &kind);

	if (!arg || depth > NFT_DEPTH_MAX)
		return FORM_PLAIN;
	key = json_str(arg, "key");
	if (json_is_array(arg) && strlen(kind) <= 2) /* "&", "|", "^", "<<", ">>" */
		return form_of(json_array_get(arg, 0), depth + 1);
	if (strcmp(kind, "meta") == 0)
		return form_of_meta(key);
	if (strcmp(kind, "ct") == 0)
		return str_is(key, "mark") ? FORM_MARK : str_is(key, "helper") ? FORM_QUOTED : str_is(key, "expiration") ? FORM_TIME : FORM_PLAIN;
	if (strcmp(kind, "socket") == 0)
		return str_is(key, "mark") ? FORM_MARK : FORM_PLAIN;
	if (strcmp(kind, "payload") == 0)
		return json_str(arg, "base") ? FORM_HEX : str_is(json_str(arg, "field"), "dscp") ? FORM_HEX2 : FORM_PLAIN;
	if (strcmp(kind, "fib") == 0)
		return str_is(json_str(arg, "result"), "oifname") ? FORM_QUOTED : FORM_PLAIN;
	return strcmp(kind, "osf") == 0 ? FORM_QUOTED : FORM_PLAIN;
}

static struct forms forms_of(const json_t *e)
{
	const json_t *parts = json_arr(e, "concat");
	struct forms f = { { 0 } };

	if (!parts)
		f.v[0] = (uint8_t)form_of(e, 0);
	for (size_t i = 0; parts && i < MIN(json_array_size(parts), RS_KEY_PARTS); i++)
		f.v[i] = (uint8_t)form_of(json_array_get(parts, i), 0);
	return f;
}

static struct forms just(enum form f)
{
	return (struct forms){ { (uint8_t)f } };
}

/* ---- values ---- */

static void print_time(struct printer *p, json_int_t seconds)
{
	static const struct {
		char unit;
		unsigned size;
	} units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
	json_int_t left = MAX(seconds, 0);

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (left >= units[i].size || (left == 0 && seconds == 0 && units[i].unit == 's'))
			strbuf_addf(p->b, "%lld%c", (long long)(left / units[i].size), units[i].unit);
		left %= units[i].size;
	}
}

static void print_number(struct printer *p, json_int_t n, enum form f)
{
	if (f == FORM_TIME)
		print_time(p, n);
	else
		strbuf_addf(p->b, f == FORM_MARK ? "0x%08llx" : f == FORM_HEX2 ? "0x%02llx" : f == FORM_HEX ? "0x%llx" : "%lld", (long long)n);
}

static void print_string(struct printer *p, const char *s, enum form f)
{
	bool quoted = f == FORM_QUOTED && s[0] != '@';

	adds(p, quoted ? "\"" : "");
	adds(p, s);
	adds(p, quoted ? "\"" : "");
}

static void print_list(struct printer *p, const json_t *list, const char *between, struct forms f)
{
	for (size_t i = 0; i < json_array_size(list) && !full(p); i++) {
		adds(p, i ? between : "");
		print(p, json_array_get(list, i), f);
	}
}

static int take_json(const char *s, size_t len, void *arg)
{
	struct printer *p = arg;

	if (!full(p))
		strbuf_add(p->b, s, MIN(len, p->max));
	return 0;
}

static void print_json(struct printer *p, const json_t *e)
{
	(void)json_dump_callback(e, take_json, p, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* { a, b }, and of a map { a : b, c : d }. */
static void print_set(struct printer *p, const json_t *set, struct forms f, bool is_map, struct forms data)
{
	adds(p, "{ ");
	for (size_t i = 0; i < json_array_size(set) && !full(p); i++) {
		const json_t *e = json_array_get(set, i);

		adds(p, i ? ", " : "");
		if (is_map && json_is_array(e) && json_array_size(e) == 2) {
			print(p, json_array_get(e, 0), f);
			adds(p, " : ");
			print(p, json_array_get(e, 1), data);
		} else {
			print(p, e, f);
		}
	}
	adds(p, " }");
}

/* ---- expressions ---- */

static void print_keyed(struct printer *p, const char *word, const json_t *arg)
{
	adds(p, word);
	adds(p, " ");
	adds(p, json_str(arg, "key"));
}

static void print_meta(struct printer *p, const json_t *arg)
{
	static const char *const bare[] = { "iif", "oif", "iifname", "oifname", "iifgroup", "oifgroup" };
	const char *key = json_str(arg, "key");

	if (is_one_of(key, bare, ARRAY_LEN(bare)))
		adds(p, key);
	else
		print_keyed(p, "meta", arg);
}

static void print_ct(struct printer *p, const json_t *arg)
{
	adds(p, "ct ");
	if (json_str(arg, "dir")) {
		adds(p, json_str(arg, "dir"));
		adds(p, " ");
	}
	if (json_str(arg, "family")) {
		adds(p, json_str(arg, "family"));
		adds(p, " ");
	}
	adds(p, json_str(arg, "key"));
}

static void print_payload(struct printer *p, const json_t *arg)
{
	int64_t offset = 0, len = 0;

	if (json_str(arg, "base")) {
		(void)json_int(arg, "offset", &offset);
		(void)json_int(arg, "len", &len);
		strbuf_addf(p->b, "@%s,%lld,%lld", json_str(arg, "base"), (long long)offset, (long long)len);
		return;
	}
	if (json_str(arg, "tunnel")) {
		adds(p, json_str(arg, "tunnel"));
		adds(p, " ");
	}
	adds(p, json_str(arg, "protocol"));
	adds(p, " ");
	adds(p, json_str(arg, "field"));
}

static void print_fib(struct printer *p, const json_t *arg)
{
	const json_t *flags = json_object_get(arg, "flags");

	adds(p, "fib ");
	if (json_is_array(flags))
		print_list(p, flags, " . ", just(FORM_PLAIN));
	else
		print(p, flags, just(FORM_PLAIN));
	adds(p, " ");
	adds(p, json_str(arg, "result"));
}

static void print_mod(struct printer *p, const json_t *arg)
{
	int64_t n;

	if (json_int(arg, "mod", &n))
		strbuf_addf(p->b, " mod %lld", (long long)n);
	if (json_int(arg, "seed", &n))
		strbuf_addf(p->b, " seed 0x%llx", (long long)n);
	if (json_int(arg, "offset", &n) && n != 0)
		strbuf_addf(p->b, " offset %lld", (long long)n);
}

static void print_numgen(struct printer *p, const json_t *arg)
{
	adds(p, "numgen ");
	adds(p, json_str(arg, "mode"));
	print_mod(p, arg);
}

static void print_jhash(struct printer *p, const json_t *arg)
{
	adds(p, "jhash ");
	print(p, json_object_get(arg, "expr"), just(FORM_PLAIN));
	print_mod(p, arg);
}

static void print_symhash(struct printer *p, const json_t *arg)
{
	adds(p, "symhash");
	print_mod(p, arg);
}

static void print_data(struct printer *p, const json_t *set, struct forms f, bool is_map, struct forms data)
{
	if (json_arr(set, "set"))
		print_set(p, json_arr(set, "set"), f, is_map, data);
	else
		print(p, set, f);
}

/* A map whose data is printed in the form of the field that it is written to. */
static void print_map_as(struct printer *p, const json_t *arg, struct forms data)
{
	const json_t *key = json_object_get(arg, "key");

	print(p, key, just(FORM_PLAIN));
	adds(p, " map ");
	print_data(p, json_object_get(arg, "data"), forms_of(key), true, data);
}

static void print_map(struct printer *p, const json_t *arg)
{
	print_map_as(p, arg, just(FORM_PLAIN));
}

/* Extension headers and options: "exthdr hbh", "frag more-fragments", "tcp option maxseg size". */
static void print_header(struct printer *p, const char *kind, const json_t *arg)
{
	const char *field = json_str(arg, "field");

	if (strcmp(kind, "exthdr") != 0 || !field) {
		adds(p, kind);
		adds(p, " ");
	}
	adds(p, json_str(arg, "name"));
	if (field) {
		adds(p, " ");
		adds(p, field);
	}
}

static void print_ipsec(struct printer *p, const json_t *arg)
{
	int64_t spnum = 0;

	adds(p, "ipsec ");
	adds(p, json_str(arg, "dir"));
	if (json_int(arg, "spnum", &spnum) && spnum != 0)
		strbuf_addf(p->b, " spnum %lld", (long long)spnum);
	if (json_str(arg, "family")) {
		adds(p, " ");
		adds(p, json_str(arg, "family"));
	}
	adds(p, " ");
	adds(p, json_str(arg, "key"));
}

static void print_rt(struct printer *p, const json_t *arg)
{
	adds(p, "rt ");
	if (json_str(arg, "family")) {
		adds(p, json_str(arg, "family"));
		adds(p, " ");
	}
	adds(p, json_str(arg, "key"));
}

static void print_prefix(struct printer *p, const json_t *arg)
{
	int64_t len = 0;

	print(p, json_object_get(arg, "addr"), just(FORM_PLAIN));
	(void)json_int(arg, "len", &len);
	strbuf_addf(p->b, "/%lld", (long long)len);
}

static void print_elem(struct printer *p, const json_t *arg, struct forms f)
{
	int64_t timeout;

	print(p, json_object_get(arg, "val"), f);
	if (json_int(arg, "timeout", &timeout)) {
		adds(p, " timeout ");
		print_time(p, timeout);
	}
	if (json_str(arg, "comment")) {
		adds(p, " comment ");
		print_string(p, json_str(arg, "comment"), FORM_QUOTED);
	}
}

static void print_concat(struct printer *p, const json_t *list, struct forms f)
{
	for (size_t i = 0; i < json_array_size(list) && !full(p); i++) {
		adds(p, i ? " . " : "");
		print(p, json_array_get(list, i), just((enum form)(i < RS_KEY_PARTS ? f.v[i] : 0)));
	}
}

static void print_verdict(struct printer *p, const char *kind, const json_t *arg)
{
	adds(p, kind);
	if (json_str(arg, "target")) {
		adds(p, " ");
		adds(p, json_str(arg, "target"));
	}
}

/* { "A": B } */
static void print_object(struct printer *p, const json_t *e, const char *kind, const json_t *arg, struct forms f)
{
	static const struct {
		const char *kind;
		void (*print)(struct printer *p, const json_t *arg);
	} rows[] = {
		{ "payload", print_payload }, { "meta", print_meta },	{ "ct", print_ct },	    { "fib", print_fib },
		{ "numgen", print_numgen },   { "jhash", print_jhash }, { "symhash", print_symhash }, { "map", print_map },
		{ "prefix", print_prefix },   { "ipsec", print_ipsec }, { "rt", print_rt },
	};
	static const char *const verdicts[] = { "accept", "drop", "continue", "return", "jump", "goto", "queue" };
	static const char *const headers[] = { "exthdr", "tcp option", "ip option", "sctp chunk", "dccp option" };
	static const char *const keyed[] = { "socket", "osf", "tunnel" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].kind, kind) == 0) {
			rows[i].print(p, arg);
			return;
		}
	}
	if (strcmp(kind, "concat") == 0)
		print_concat(p, arg, f);
	else if (strcmp(kind, "set") == 0)
		print_set(p, arg, f, false, just(FORM_PLAIN));
	else if (strcmp(kind, "range") == 0)
		print_list(p, arg, "-", f);
	else if (strcmp(kind, "elem") == 0)
		print_elem(p, arg, f);
	else if (is_one_of(kind, verdicts, ARRAY_LEN(verdicts)))
		print_verdict(p, kind, arg);
	else if (is_one_of(kind, headers, ARRAY_LEN(headers)))
		print_header(p, kind, arg);
	else if (is_one_of(kind, keyed, ARRAY_LEN(keyed)))
		print_keyed(p, kind, arg);
	else
		print_json(p, e);
}

static void print_compound(struct printer *p, const json_t *e, struct forms f)
{
	const char *kind;
	const json_t *arg = nft_member(e, &kind);
	char op[8];

	if (!arg) {
		print_json(p, e);
	} else if (json_is_array(arg) && strlen(kind) <= 2) {
		snprintf(op, sizeof(op), " %s ", kind);
		print_list(p, arg, op, kind[0] == '<' || kind[0] == '>' ? just(FORM_PLAIN) : just(form_of(e, 0) ? form_of(e, 0) : (enum form)f.v[0]));
	} else {
		print_object(p, e, kind, arg, f);
	}
}

static void print(struct printer *p, const json_t *e, struct forms f)
{
	if (full(p) || !e)
		return;
	if (json_is_string(e)) {
		print_string(p, json_string_value(e), (enum form)f.v[0]);
	} else if (json_is_integer(e)) {
		print_number(p, json_integer_value(e), (enum form)f.v[0]);
	} else if (json_is_boolean(e)) {
		adds(p, json_is_true(e) ? "exists" : "missing");
	} else if (json_is_array(e)) {
		print_list(p, e, ",", f);
	} else if (json_is_object(e) && p->depth < NFT_DEPTH_MAX) {
		p->depth++;
		print_compound(p, e, f);
		p->depth--;
	} else {
		print_json(p, e);
	}
}

/* ---- statements ---- */

/* "tcp flags & (syn | ack) == syn" is printed "tcp flags syn / syn,ack". */
static bool print_flags_of(struct printer *p, const json_t *left, const char *op, const json_t *right)
{
	const json_t *args = json_arr(left, "&"), *mask = json_array_get(args, 1), *bits = json_arr(mask, "|");

	if (!args || json_array_size(args) != 2 || !(json_is_array(mask) || json_is_string(mask) || bits) || json_is_integer(right) ||
	    (json_is_string(mask) && strchr("0123456789", json_string_value(mask)[0])))
		return false;
	print(p, json_array_get(args, 0), just(FORM_PLAIN));
	adds(p, str_is(op, "!=") ? " != " : " ");
	print(p, json_arr(right, "|") ? json_arr(right, "|") : right, just(FORM_PLAIN));
	adds(p, " / ");
	print(p, bits ? bits : mask, just(FORM_PLAIN));
	return true;
}

/* Of these "==" and no word at all are two questions. */
static bool has_flags(const json_t *left)
{
	const char *ct = json_str(json_obj(left, "ct"), "key");

	return str_is(ct, "state") || str_is(ct, "status") || str_is(ct, "label") || str_is(ct, "event") ||
	       (str_is(json_str(json_obj(left, "payload"), "field"), "flags") && str_is(json_str(json_obj(left, "payload"), "protocol"), "tcp"));
}

static void print_match(struct printer *p, const json_t *arg)
{
	const json_t *left = json_object_get(arg, "left"), *right = json_object_get(arg, "right");
	const char *op = json_str(arg, "op");
	bool masked = json_arr(left, "&") || json_arr(left, "|") || json_arr(left, "^") || json_arr(left, "<<") || json_arr(left, ">>");
	bool one = !json_arr(right, "range") && !json_arr(right, "set");

	if (print_flags_of(p, left, op, right))
		return;
	print(p, left, just(FORM_PLAIN));
	adds(p, " ");
	if (op && strcmp(op, "in") != 0 && (strcmp(op, "==") != 0 || (one && (masked || has_flags(left))))) {
		adds(p, op);
		adds(p, " ");
	}
	print_data(p, right, forms_of(left), false, just(FORM_PLAIN));
}

static void print_vmap(struct printer *p, const json_t *arg)
{
	const json_t *key = json_object_get(arg, "key");

	print(p, key, just(FORM_PLAIN));
	adds(p, " vmap ");
	print_data(p, json_object_get(arg, "data"), forms_of(key), true, just(FORM_PLAIN));
}

static void print_mangle(struct printer *p, const json_t *arg)
{
	const json_t *key = json_object_get(arg, "key"), *map = json_obj(json_object_get(arg, "value"), "map");

	print(p, key, just(FORM_PLAIN));
	adds(p, " set ");
	if (map)
		print_map_as(p, map, forms_of(key));
	else
		print(p, json_object_get(arg, "value"), forms_of(key));
}

static void print_word_and(struct printer *p, const char *before, const json_t *v, const char *between)
{
	if (!v)
		return;
	adds(p, before);
	if (json_is_array(v))
		print_list(p, v, between, just(FORM_PLAIN));
	else
		print(p, v, just(FORM_PLAIN));
}

/* "[fd00::1]" and "[fd00::1]-[fd00::9]" where a port follows. */
static void print_nat_addr(struct printer *p, const json_t *addr, bool port)
{
	const json_t *range = json_arr(addr, "range"), *first = range ? json_array_get(range, 0) : addr;

	if (!port || !json_is_string(first) || !strchr(json_string_value(first), ':')) {
		print(p, addr, just(FORM_PLAIN));
		return;
	}
	adds(p, "[");
	print(p, first, just(FORM_PLAIN));
	if (range) {
		adds(p, "]-[");
		print(p, json_array_get(range, 1), just(FORM_PLAIN));
	}
	adds(p, "]");
}

static void print_nat(struct printer *p, const char *kind, const json_t *arg)
{
	const json_t *addr = json_object_get(arg, "addr"), *port = json_object_get(arg, "port");

	adds(p, kind);
	print_word_and(p, " ", json_object_get(arg, "family"), "");
	if (str_is(json_str(arg, "type_flags"), "prefix") || nft_has_word(json_object_get(arg, "flags"), "netmap"))
		adds(p, " prefix");
	if (addr || port)
		adds(p, " to ");
	print_nat_addr(p, addr, port != NULL);
	print_word_and(p, ":", port, "");
	if (!nft_has_word(json_object_get(arg, "flags"), "netmap"))
		print_word_and(p, " ", json_object_get(arg, "flags"), ",");
}

static void print_reject(struct printer *p, const json_t *arg)
{
	const char *type = json_str(arg, "type");
	const json_t *expr = json_object_get(arg, "expr");

	adds(p, "reject");
	/* The default is left out. */
	if (!type || (!expr && strcmp(type, "tcp reset") != 0) || str_is(json_string_value(expr), "port-unreachable"))
		return;
	adds(p, " with ");
	adds(p, type);
	if (expr) {
		adds(p, " ");
		print(p, expr, just(FORM_PLAIN));
	}
}

static void print_limit(struct printer *p, const json_t *arg)
{
	static const char word[] = "limit";
	int64_t rate = 0, burst = 0;
	const char *unit = json_str(arg, "rate_unit"), *burst_unit = json_str(arg, "burst_unit");
	bool packets = !unit || strcmp(unit, "packets") == 0;

	(void)json_int(arg, "rate", &rate);
	adds(p, word);
	adds(p, json_tri(arg, "inv") > 0 ? " rate over " : " rate ");
	strbuf_addf(p->b, packets ? "%lld/" : "%lld ", (long long)rate);
	if (!packets) {
		adds(p, unit);
		adds(p, "/");
	}
	adds(p, json_str(arg, "per"));
	if (json_int(arg, "burst", &burst) && burst != 0 && !(packets && burst == 5))
		strbuf_addf(p->b, " burst %lld %s", (long long)burst, packets || !burst_unit ? "packets" : burst_unit);
}

static void print_quota(struct printer *p, const json_t *arg)
{
	int64_t val = 0;

	(void)json_int(arg, "val", &val);
	strbuf_addf(p->b, "quota %s%lld ", json_tri(arg, "inv") > 0 ? "over " : "", (long long)val);
	adds(p, json_str(arg, "val_unit") ? json_str(arg, "val_unit") : "bytes");
}

static void print_ct_count(struct printer *p, const json_t *arg)
{
	int64_t val = 0;

	(void)json_int(arg, "val", &val);
	strbuf_addf(p->b, "ct count %s%lld", json_tri(arg, "inv") > 0 ? "over " : "", (long long)val);
}

/* counter, quota, limit: anonymous, or by name or map. */
static void print_stateful(struct printer *p, const char *kind, const json_t *arg)
{
	const json_t *map = json_obj(arg, "map");

	if (json_is_string(arg)) {
		adds(p, kind);
		adds(p, " name ");
		print(p, arg, just(FORM_QUOTED));
	} else if (map) {
		adds(p, kind);
		adds(p, " name ");
		print_map_as(p, map, just(FORM_QUOTED));
	} else if (strcmp(kind, "limit") == 0) {
		print_limit(p, arg);
	} else if (strcmp(kind, "quota") == 0) {
		print_quota(p, arg);
	} else {
		adds(p, kind);
	}
}

static void print_inner(struct printer *p, const json_t *stmts)
{
	size_t n = json_is_array(stmts) ? json_array_size(stmts) : stmts ? 1 : 0;

	for (size_t i = 0; i < n && !full(p); i++) {
		adds(p, " ");
		nft_print_stmt(p->b, json_is_array(stmts) ? json_array_get(stmts, i) : stmts, p->max);
	}
}

static void print_set_stmt(struct printer *p, const json_t *arg)
{
	adds(p, json_str(arg, "op"));
	adds(p, " ");
	adds(p, json_str(arg, "set"));
	adds(p, " { ");
	print(p, json_object_get(arg, "elem"), just(FORM_PLAIN));
	print_inner(p, json_object_get(arg, "stmt"));
	if (json_object_get(arg, "data")) {
		adds(p, " : ");
		print(p, json_object_get(arg, "data"), just(FORM_PLAIN));
	}
	adds(p, " }");
}

static void print_meter(struct printer *p, const json_t *arg)
{
	int64_t size;

	adds(p, "meter ");
	adds(p, json_str(arg, "name"));
	if (json_int(arg, "size", &size))
		strbuf_addf(p->b, " size %lld", (long long)size);
	adds(p, " { ");
	print(p, json_object_get(arg, "key"), just(FORM_PLAIN));
	print_inner(p, json_object_get(arg, "stmt"));
	adds(p, " }");
}

static void print_log(struct printer *p, const json_t *arg)
{
	static const char *const names[] = { "prefix", "group", "snaplen", "queue-threshold", "level", "flags" };

	adds(p, "log");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const json_t *v = json_object_get(arg, names[i]);

		if (!v)
			continue;
		adds(p, " ");
		adds(p, names[i]);
		adds(p, " ");
		print(p, v, just(i == 0 ? FORM_QUOTED : FORM_PLAIN));
	}
}

static void print_queue(struct printer *p, const json_t *arg)
{
	adds(p, "queue");
	print_word_and(p, " flags ", json_object_get(arg, "flags"), ",");
	print_word_and(p, " to ", json_object_get(arg, "num"), "");
}

static void print_tproxy(struct printer *p, const json_t *arg)
{
	print_nat(p, "tproxy", arg);
}

static void print_dup(struct printer *p, const json_t *arg)
{
	print_word_and(p, "dup to ", json_object_get(arg, "addr"), "");
	if (json_object_get(arg, "dev")) {
		adds(p, " device ");
		print(p, json_object_get(arg, "dev"), just(FORM_QUOTED));
	}
}

static void print_fwd(struct printer *p, const json_t *arg)
{
	adds(p, "fwd");
	print_word_and(p, " ", json_object_get(arg, "family"), "");
	print_word_and(p, " to ", json_object_get(arg, "addr"), "");
	adds(p, json_object_get(arg, "addr") ? " device " : " to ");
	print(p, json_object_get(arg, "dev"), just(FORM_QUOTED));
}

static void print_synproxy(struct printer *p, const json_t *arg)
{
	adds(p, "synproxy");
	print_word_and(p, " mss ", json_object_get(arg, "mss"), "");
	print_word_and(p, " wscale ", json_object_get(arg, "wscale"), "");
	print_word_and(p, " ", json_object_get(arg, "flags"), " ");
}

static void print_flow(struct printer *p, const json_t *arg)
{
	adds(p, "flow ");
	adds(p, json_str(arg, "op"));
	adds(p, " ");
	adds(p, json_str(arg, "flowtable"));
}

static void print_xt(struct printer *p, const json_t *arg)
{
	adds(p, "xt ");
	adds(p, json_str(arg, "type") ? json_str(arg, "type") : "match");
	adds(p, " \"");
	adds(p, json_str(arg, "name") ? json_str(arg, "name") : "unknown");
	adds(p, "\"");
}

/* "ct helper set", and as words alone. */
static void print_other(struct printer *p, const char *kind, const json_t *arg, const json_t *s)
{
	static const char *const nats[] = { "dnat", "snat", "masquerade", "redirect" };
	static const char *const verdicts[] = { "accept", "drop", "continue", "return", "jump", "goto", "notrack", "last" };
	static const char *const stateful[] = { "counter", "limit", "quota" };

	if (is_one_of(kind, nats, ARRAY_LEN(nats))) {
		print_nat(p, kind, arg);
	} else if (is_one_of(kind, stateful, ARRAY_LEN(stateful))) {
		print_stateful(p, kind, arg);
	} else if (is_one_of(kind, verdicts, ARRAY_LEN(verdicts))) {
		print_verdict(p, kind, arg);
	} else if (json_is_string(arg)) {
		adds(p, kind);
		adds(p, " set ");
		print(p, arg, just(FORM_QUOTED));
	} else {
		print_json(p, s);
	}
}

void nft_print_value(struct strbuf *b, const json_t *v, size_t max)
{
	struct printer p = { b, max, 0 };

	print(&p, v, just(FORM_PLAIN));
}

void nft_print_stmt(struct strbuf *b, const json_t *s, size_t max)
{
	static const struct {
		const char *kind;
		void (*print)(struct printer *p, const json_t *arg);
	} rows[] = {
		{ "match", print_match }, { "vmap", print_vmap },     { "mangle", print_mangle }, { "set", print_set_stmt },
		{ "reject", print_reject }, { "log", print_log },     { "meter", print_meter },	  { "ct count", print_ct_count },
		{ "queue", print_queue }, { "tproxy", print_tproxy }, { "synproxy", print_synproxy }, { "dup", print_dup },
		{ "fwd", print_fwd },	  { "flow", print_flow },     { "xt", print_xt },	  { "map", print_set_stmt },
	};
	struct printer p = { b, max, 0 };
	const char *kind;
	const json_t *arg = nft_member(s, &kind);

	if (!arg) {
		if (json_is_string(s)) /* what nft has no JSON for it gives as text */
			adds(&p, json_string_value(s));
		else
			print_json(&p, s);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].kind, kind) == 0) {
			rows[i].print(&p, arg);
			return;
		}
	}
	print_other(&p, kind, arg, s);
}

void nft_print_rule(struct strbuf *b, const json_t *expr, const char *comment)
{
	struct printer p = { b, NFT_TEXT_MAX, 0 };

	for (size_t i = 0; i < json_array_size(expr) && !full(&p); i++) {
		adds(&p, i ? " " : "");
		nft_print_stmt(b, json_array_get(expr, i), p.max);
	}
	if (comment) {
		adds(&p, b->len ? " comment " : "comment ");
		print_string(&p, comment, FORM_QUOTED);
	}
	if (full(&p) && !b->failed)
		strbuf_adds(b, " ...");
}
