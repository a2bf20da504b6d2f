/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft -j list ruleset: the tree is copied, and each string in it replaced by what it is, which the key it stands under tells. Keys are
 * nft's own; what has another one is dropped.
 */

#include <ctype.h>

#include "redact-private.h"

#define DEPTH_MAX 64

/* Words of nft's language and of the kernel. */
static bool is_nft_word(const char *s)
{
	static const char *const words[] = {
		"ip", "ip6", "inet", "arp", "bridge", "netdev", "filter", "nat", "route", "prerouting", "input", "forward", "output", "postrouting", "ingress", "egress",
		"accept", "drop", "continue", "return", "reject", "tcp", "udp", "sctp", "dccp", "udplite", "icmp", "icmpv6", "ipv6-icmp", "esp", "ah", "comp", "th", "ether",
		"vlan", "saddr", "daddr", "sport", "dport", "protocol", "nexthdr", "type", "code", "l4proto", "nfproto", "iif", "oif", "iifname", "oifname", "iifgroup",
		"oifgroup", "iiftype", "oiftype", "mark", "priority", "skuid", "skgid", "cgroup", "length", "pkttype", "random", "day", "hour", "time", "ibrname", "obrname",
		"state", "direction", "status", "expiration", "helper", "label", "zone", "id", "bytes", "packets", "avgpkt", "count", "original", "reply", "new",
		"established", "related", "invalid", "untracked", "expected", "seen-reply", "assured", "confirmed", "snat", "dnat", "dying", "local", "unicast",
		"broadcast", "multicast", "anycast", "blackhole", "unreachable", "prohibit", "throw", "unspec", "inc", "mod", "symmetric", "ipv4_addr", "ipv6_addr",
		"inet_proto", "inet_service", "ether_addr", "ifname", "mark", "verdict", "interval", "timeout", "constant", "dynamic", "concat", "memory", "performance",
		"persistent", "fully-random", "port-unreachable", "no-route", "admin-prohibited", "host-unreachable", "net-unreachable", "host-prohibited",
		"net-prohibited", "prot-unreachable", "addr-unreachable", "tcp reset", "icmpx", "match", "target", "==", "!=", "<", ">", "<=", ">=", "in", "syn", "ack",
		"fin", "rst", "psh", "urg", "ecn", "cwr", "flags", "over", "until", "second", "minute", "hour", "day", "week", "kbytes", "mbytes", "add", "update", "delete",
		"saddr . daddr", "exists", "missing", "boolean", "true", "false", "lo", "fib_addrtype", "ct_state", "pref", "version", "hdrlength", "dscp", "hoplimit",
		"ttl", "frag-off", "checksum", "echo-request", "echo-reply", "nd-neighbor-solicit", "nd-neighbor-advert", "nd-router-solicit", "nd-router-advert",
		"redirect", "tproxy", "maglev", "hash", "jhash", "symhash", "none", "meta", "*", "nfproto", "ipv4", "ipv6", "host", "auto-merge", "notrack",
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(words[i], s) == 0)
			return true;
	}
	return false;
}

enum role { ROLE_TREE, ROLE_CHAIN, ROLE_COMMENT, ROLE_WORD, ROLE_PREFIX_ADDRESS, ROLE_LINKS, ROLE_DROP };

static enum role role_of(const char *key)
{
	static const struct {
		const char *key;
		enum role role;
	} rows[] = {
		{ "name", ROLE_CHAIN }, { "table", ROLE_CHAIN }, { "chain", ROLE_CHAIN }, { "target", ROLE_CHAIN }, { "set", ROLE_TREE }, { "map", ROLE_TREE },
		{ "data", ROLE_TREE },	{ "comment", ROLE_COMMENT }, { "dev", ROLE_LINKS }, { "release_name", ROLE_DROP }, { "version", ROLE_WORD },
		{ "key", ROLE_TREE },	{ "family", ROLE_WORD },
	};
	static const char *const trees[] = {
		"nftables", "metainfo", "json_schema_version", "handle", "rule", "expr", "match", "op", "left", "right", "payload", "protocol", "field", "meta", "ct",
		"vmap", "elem", "val", "concat", "prefix", "addr", "len", "range", "type", "flags", "size", "timeout", "expires", "gc-interval", "policy", "hook", "prio",
		"jump", "goto", "accept", "drop", "return", "continue", "counter", "packets", "bytes", "mangle", "value", "|", "&", "^", "<<", ">>", "masquerade", "reject",
		"dnat", "snat", "redirect", "port", "numgen", "mode", "mod", "offset", "fib", "result", "xt", "log", "limit", "rate", "per", "burst", "inv", "quota", "base",
		"tcp option", "jhash", "symhash", "seed", "stmt", "queue", "notrack", "secmark", "exthdr", "ip option", "rt", "socket", "osf", "dir", "ct helper", "ct timeout",
		"ct expectation", "synproxy", "tproxy", "dup", "fwd", "used", "def", "unit", "rate_unit", "burst_unit", "num", "level", "elem_type", "auto-merge", "flowtable",
		"stateful",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].key, key) == 0)
			return rows[i].role;
	}
	for (size_t i = 0; i < ARRAY_LEN(trees); i++) {
		if (strcmp(trees[i], key) == 0)
			return ROLE_TREE;
	}
	return ROLE_DROP;
}

static json_t *new_string(struct redact *r, const struct strbuf *b)
{
	json_t *v = json_string(strbuf_str(b));

	r->failed |= b->failed || !v;
	return v;
}

static json_t *string(struct redact *r, enum role role, const char *s)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	size_t len = strlen(s);

	if (role == ROLE_CHAIN)
		redact_add_chain(r, &b, *s == '@' ? s + 1 : s, len - (*s == '@'));
	else if (role == ROLE_COMMENT)
		redact_add_comment(r, &b, s, len);
	else if (role == ROLE_LINKS)
		redact_add_link(r, &b, s, len);
	else if (is_nft_word(s) || (isdigit((unsigned char)*s) && s[strspn(s, "0123456789.")] == '\0' && len < 8 && !redact_add_address(r, &b, s, len)))
		strbuf_adds(&b, s);
	else if (b.len > 0 || redact_add_address(r, &b, s, len) || redact_add_mac(r, &b, s, len))
		;
	else if (*s == '@') {
		strbuf_addc(&b, '@');
		redact_add_chain(r, &b, s + 1, len - 1);
	} else {
		redact_adds_name(r, &b, s);
	}
	return new_string(r, &b);
}

static json_t *tree(struct redact *r, enum role role, const json_t *v, unsigned depth);

/* {"addr": "10.244.0.0", "len": 16}: the host's bits of a network stay zero. */
static json_t *prefix(struct redact *r, const json_t *v)
{
	const char *addr = json_str(v, "addr");
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	char text[80];
	int64_t len;

	if (!addr || !json_int(v, "len", &len) || snprintf(text, sizeof(text), "%s/%d", addr, (int)len) >= (int)sizeof(text) ||
	    !redact_add_address(r, &b, text, strlen(text)))
		return json_null();
	b.s[strcspn(b.s, "/")] = '\0';
	return json_pack("{s:s, s:I}", "addr", b.s, "len", (json_int_t)len);
}

/* A range of addresses goes through where it is one afterwards too: within what keeps its last byte, or a whole prefix. */
static json_t *range(struct redact *r, const json_t *v, unsigned depth)
{
	json_t *out = tree(r, ROLE_TREE, v, depth);
	const char *from = json_string_value(json_array_get(out, 0)), *to = json_string_value(json_array_get(out, 1));
	const char *was = json_string_value(json_array_get(v, 0)), *was_to = json_string_value(json_array_get(v, 1));
	struct ip_addr a, b, x, y;

	if (!from || !to || !was || !was_to || ip_addr_parse(from, &a) < 0 || ip_addr_parse(to, &b) < 0 || ip_addr_parse(was, &x) < 0 ||
	    ip_addr_parse(was_to, &y) < 0)
		return out;
	for (unsigned len = 0; len <= ip_addr_size(&x) * 8; len++) {
		struct ip_prefix p = { x, (uint8_t)len };
		struct ip_addr first = ip_prefix_first(&p), last = ip_prefix_last(&p);

		if (!ip_addr_equal(&first, &x) || !ip_addr_equal(&last, &y))
			continue;
		char lo[IP_ADDR_STRLEN], hi[IP_ADDR_STRLEN];
		struct ip_prefix q = { a, (uint8_t)len };

		a = ip_prefix_first(&q);
		b = ip_prefix_last(&q);
		json_decref(out);
		return json_pack("[s, s]", ip_addr_format(&a, lo), ip_addr_format(&b, hi));
	}
	if (ip_addr_cmp(&a, &b) > 0 || memcmp(a.b, b.b, 3) != 0)
		r->unfit = true;
	return out;
}

/* ---- endpoints by chance: kube-proxy numbers them in the order of their texts ---- */

struct numbered {
	json_t *value;
	char text[IP_ENDPOINT_STRLEN];
};

static bool endpoint_text(const json_t *value, char text[static IP_ENDPOINT_STRLEN])
{
	const json_t *concat = json_arr(value, "concat");
	const char *target = json_str(json_obj(value, "goto"), "target"), *addr = json_string_value(json_array_get(concat, 0));
	struct ip_addr a;
	uint16_t port;

	if (addr && json_is_integer(json_array_get(concat, 1)) && ip_addr_parse(addr, &a) == 0)
		ip_endpoint_format(&a, (unsigned)json_integer_value(json_array_get(concat, 1)), text);
	else if (target && redact_nft_endpoint(target, &a, &port))
		ip_endpoint_format(&a, port, text);
	else
		return false;
	return true;
}

static int compare_numbered(const void *a, const void *b)
{
	return strcmp(((const struct numbered *)a)->text, ((const struct numbered *)b)->text);
}

/* [[0, ENDPOINT], [1, ENDPOINT]]; how many, 0 where it is something else. */
static size_t read_numbered(const json_t *set, struct numbered *v, size_t max, bool *ret_sorted)
{
	const json_t *pair;
	size_t i, n = json_array_size(set);

	*ret_sorted = true;
	if (n > max)
		return 0;
	json_array_foreach(set, i, pair) {
		v[i].value = json_array_get(pair, 1);
		if (json_array_size(pair) != 2 || !json_is_integer(json_array_get(pair, 0)) || !endpoint_text(v[i].value, v[i].text))
			return 0;
		if (i > 0 && strcmp(v[i - 1].text, v[i].text) > 0)
			*ret_sorted = false;
	}
	return n;
}

/* Those that were in order are in order again. @out is the replaced @v. */
static void sort_numbered(struct redact *r, const json_t *v, json_t *out)
{
	const json_t *was = json_arr(json_obj(v, "data"), "set"), *set = json_arr(json_obj(out, "data"), "set");
	size_t n = json_array_size(set);
	struct numbered *all;
	bool sorted, now;

	if (!json_obj(json_obj(v, "key"), "numgen") || n < 2)
		return;
	all = calloc(n, sizeof(*all));
	if (!all) {
		r->failed = true;
		return;
	}
	if (read_numbered(was, all, n, &sorted) == n && sorted && read_numbered(set, all, n, &now) == n && !now) {
		for (size_t i = 0; i < n; i++)
			json_incref(all[i].value);
		qsort(all, n, sizeof(*all), compare_numbered);
		for (size_t i = 0; i < n; i++)
			json_array_set_new(json_array_get(set, i), 1, all[i].value);
	}
	free(all);
}

static json_t *object(struct redact *r, const json_t *v, unsigned depth)
{
	json_t *out = json_object(), *value;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)v, key, value) {
		enum role role = role_of(key);
		json_t *new;

		if (strcmp(key, "prefix") == 0 && json_is_object(value))
			new = prefix(r, value);
		else if (strcmp(key, "range") == 0 && json_is_array(value))
			new = range(r, value, depth + 1);
		else if (strcmp(key, "log") == 0)
			new = json_object();
		else if (role == ROLE_DROP)
			continue;
		else
			new = tree(r, role, value, depth + 1);
		if (!new || json_object_set_new(out, key, new) < 0)
			r->failed = true;
	}
	sort_numbered(r, v, out);
	return out;
}

/* What an interface's name is compared with. */
static bool asks_link(const json_t *left)
{
	const char *key = json_str(json_obj(left, "meta"), "key");

	return key && (strcmp(key, "iifname") == 0 || strcmp(key, "oifname") == 0 || strcmp(key, "iif") == 0 || strcmp(key, "oif") == 0 ||
		       strcmp(key, "ibrname") == 0 || strcmp(key, "obrname") == 0);
}

static json_t *tree(struct redact *r, enum role role, const json_t *v, unsigned depth)
{
	json_t *out, *item;
	size_t i;

	if (depth > DEPTH_MAX)
		return json_null();
	if (json_is_string(v))
		return string(r, role, json_string_value(v));
	if (json_is_object(v)) {
		out = object(r, v, depth);
		if (asks_link(json_object_get(v, "left"))) {
			json_t *right = tree(r, ROLE_LINKS, json_object_get(v, "right"), depth + 1);

			if (json_object_set_new(out, "right", right) < 0)
				r->failed = true;
		}
		return out;
	}
	if (!json_is_array(v))
		return v ? json_copy((json_t *)(uintptr_t)v) : json_null();
	out = json_array();
	json_array_foreach(v, i, item) {
		if (json_array_append_new(out, tree(r, role, item, depth + 1)) < 0)
			r->failed = true;
	}
	return out;
}

struct writer {
	struct redact *r;
	struct strbuf *b;
	size_t count;
};

static int on_element(void *arg, json_t *item, const char *kind, const char *api_version, uint32_t line)
{
	struct writer *w = arg;
	json_t *out = tree(w->r, ROLE_TREE, item, 0);
	char *text = out ? json_dumps(out, JSON_COMPACT) : NULL;

	(void)kind;
	(void)api_version;
	(void)line;
	strbuf_adds(w->b, w->count++ ? "," : "");
	strbuf_adds(w->b, text ? text : "null");
	w->r->failed |= !text || w->b->failed;
	free(text);
	json_decref(out);
	return w->r->failed ? -1 : 0;
}

int redact_nft(struct redact *r, const char *data, size_t size, struct strbuf *b)
{
	struct sd_notes notes CLEANUP(sd_notes_release) = { 0 };
	struct writer w = { r, b, 0 };
	ssize_t n;

	strbuf_adds(b, "{\"nftables\":[");
	n = json_each_of(data, size, "nft", &notes, "nftables", on_element, &w);
	strbuf_adds(b, "]}\n");
	if (r->failed)
		return -1;
	/* A ruleset of which something is missing would be taken for a whole one. */
	return n < 0 || notes.len > 0 ? 0 : 1;
}
