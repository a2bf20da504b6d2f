/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules as text: iptables-save, ipset save, ipvsadm. A rule is read word by word; what stands behind an option is replaced as that
 * option's, and behind one that is not known, as text is.
 */

#include <ctype.h>

#include "redact-private.h"

#define WORD_SIZE_MAX 4096

/* A word of a line; quotes are taken off, and put back by add_word. */
struct word {
	char text[WORD_SIZE_MAX];
	size_t len;
	bool quoted;
};

/* iptables writes a word with a space or quote in quotes, and a backslash before quotes and backslashes. False: the line is at its end. */
static bool next_word(const char **s, const char *end, struct word *w)
{
	const char *p = *s;

	while (p < end && (*p == ' ' || *p == '\t' || *p == '\r'))
		p++;
	if (p >= end)
		return false;
	w->len = 0;
	w->quoted = *p == '"';
	p += w->quoted;
	while (p < end && (w->quoted ? *p != '"' : *p != ' ' && *p != '\r')) {
		if (w->quoted && *p == '\\' && p + 1 < end)
			p++;
		if (w->len + 1 < sizeof(w->text))
			w->text[w->len++] = *p;
		p++;
	}
	w->text[w->len] = '\0';
	*s = p + (w->quoted && p < end);
	return true;
}

static void add_plain(struct strbuf *b, const char *s, bool quoted)
{
	if (!quoted && *s && !strpbrk(s, " \"'")) {
		strbuf_adds(b, s);
		return;
	}
	strbuf_addc(b, '"');
	for (; *s; s++) {
		if (strchr("\"\\", *s))
			strbuf_addc(b, '\\');
		strbuf_addc(b, *s);
	}
	strbuf_addc(b, '"');
}

enum kind { KIND_TEXT, KIND_CHAIN, KIND_ADDRESS, KIND_LINK, KIND_COMMENT, KIND_ENDPOINT, KIND_PLAIN };

static enum kind kind_of(const char *option)
{
	static const struct {
		const char *option;
		enum kind kind;
	} rows[] = {
		{ "-A", KIND_CHAIN },	     { "-N", KIND_CHAIN },	       { "-P", KIND_CHAIN },	     { "-j", KIND_CHAIN },
		{ "-g", KIND_CHAIN },	     { "--match-set", KIND_CHAIN },    { "--nfacct-name", KIND_CHAIN }, { "--name", KIND_CHAIN },
		{ "-s", KIND_ADDRESS },	     { "-d", KIND_ADDRESS },	       { "--ctorigdst", KIND_ADDRESS }, { "--ctorigsrc", KIND_ADDRESS },
		{ "--vaddr", KIND_ADDRESS }, { "--to", KIND_ADDRESS },	       { "-i", KIND_LINK },	     { "-o", KIND_LINK },
		{ "--physdev-in", KIND_LINK }, { "--physdev-out", KIND_LINK }, { "--comment", KIND_COMMENT },
		{ "--to-destination", KIND_ENDPOINT }, { "--to-source", KIND_ENDPOINT },
		{ "-m", KIND_PLAIN },	     { "-p", KIND_PLAIN },	       { "--ctstate", KIND_PLAIN },  { "--dport", KIND_PLAIN },
		{ "--sport", KIND_PLAIN },   { "--dports", KIND_PLAIN },       { "--sports", KIND_PLAIN },   { "--mark", KIND_PLAIN },
		{ "--set-xmark", KIND_PLAIN }, { "--set-mark", KIND_PLAIN },   { "--or-mark", KIND_PLAIN },  { "--probability", KIND_PLAIN },
		{ "--mode", KIND_PLAIN },    { "--reject-with", KIND_PLAIN },  { "--dst-type", KIND_PLAIN }, { "--src-type", KIND_PLAIN },
		{ "--state", KIND_PLAIN },   { "--ctstatus", KIND_PLAIN },     { "--vproto", KIND_PLAIN },   { "--vport", KIND_PLAIN },
		{ "--seconds", KIND_PLAIN }, { "--mask", KIND_PLAIN },	       { "--every", KIND_PLAIN },    { "--packet", KIND_PLAIN },
		{ "--tcp-flags", KIND_PLAIN }, { "--icmp-type", KIND_PLAIN },  { "--icmpv6-type", KIND_PLAIN }, { "--limit", KIND_PLAIN },
		{ "--limit-burst", KIND_PLAIN }, { "--uid-owner", KIND_PLAIN }, { "--restore-mark", KIND_PLAIN }, { "--to-ports", KIND_PLAIN },
		{ "--zone", KIND_PLAIN },    { "--ctdir", KIND_PLAIN },	       { "--hitcount", KIND_PLAIN }, { "--nfmask", KIND_PLAIN },
		{ "--ctmask", KIND_PLAIN },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].option, option) == 0)
			return rows[i].kind;
	}
	return KIND_TEXT;
}

static size_t count(const char *s, char c)
{
	size_t n = 0;

	for (; *s; s++)
		n += *s == c;
	return n;
}

/* Numbers, marks, states: nothing that somebody could have chosen. An address is none of these. */
static bool is_plain(const char *s)
{
	if (strlen(s) >= 40)
		return false;
	if (str_starts(s, "0x"))
		return s[strspn(s, "0123456789abcdefx/")] == '\0';
	if (isdigit((unsigned char)*s))
		return s[strspn(s, "0123456789.,:/%-")] == '\0' && count(s, '.') < 2 && count(s, ':') < 2;
	return redact_is_vocabulary(s, strlen(s)) || s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ,_-")] == '\0';
}

/* Matches, protocols and what REJECT answers. */
static bool is_module(const char *s)
{
	static const char *const words[] = {
		"addrtype", "ah", "bpf", "cgroup", "comment", "connbytes", "connlimit", "connmark", "conntrack", "dccp", "devgroup", "dscp", "esp", "hashlimit", "icmp",
		"icmp6", "ipv6-icmp", "ipvs", "iprange", "length", "limit", "mac", "mark", "multiport", "nfacct", "owner", "physdev", "pkttype", "policy", "quota",
		"recent", "rpfilter", "sctp", "set", "socket", "state", "statistic", "string", "tcp", "time", "tos", "ttl", "u32", "udp", "udplite", "all", "random", "nth",
		"icmp-port-unreachable", "icmp-host-prohibited", "icmp-admin-prohibited", "icmp-net-unreachable", "icmp-host-unreachable", "icmp-proto-unreachable",
		"icmp6-port-unreachable", "icmp6-adm-prohibited", "icmp6-no-route", "icmp6-addr-unreachable", "tcp-reset",
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(words[i], s) == 0)
			return true;
	}
	/* directions of a set's parts */
	return (str_starts(s, "src") || str_starts(s, "dst")) && s[strspn(s, "srcd,t")] == '\0' && strlen(s) % 4 == 3;
}

/* "10.244.1.5:80", "[fd00::1]:80", "10.0.0.1-10.0.0.9:80". */
static void add_endpoint(struct redact *r, struct strbuf *b, const char *s, size_t len)
{
	const char *colon = memrchr(s, ':', len), *close = memchr(s, ']', len), *dash;
	size_t head = len;

	if (*s == '[' && close) {
		strbuf_addc(b, '[');
		add_endpoint(r, b, s + 1, (size_t)(close - s - 1));
		strbuf_addc(b, ']');
		redact_add_text(r, b, close + 1, len - (size_t)(close + 1 - s));
		return;
	}
	if (colon && memchr(s, ':', len) == colon)
		head = (size_t)(colon - s);
	dash = memchr(s, '-', head);
	if (dash) {
		add_endpoint(r, b, s, (size_t)(dash - s));
		strbuf_addc(b, '-');
		add_endpoint(r, b, dash + 1, head - (size_t)(dash + 1 - s));
	} else if (head > 0 && !redact_add_address(r, b, s, head)) {
		redact_add_text(r, b, s, head);
	}
	redact_add_text(r, b, s + head, len - head);
}

static void add_value(struct redact *r, struct strbuf *b, enum kind kind, const char *s, size_t len)
{
	switch (kind) {
	case KIND_CHAIN:
		redact_add_chain(r, b, s, len);
		return;
	case KIND_ADDRESS:
		if (!redact_add_address(r, b, s, len))
			add_endpoint(r, b, s, len);
		return;
	case KIND_LINK:
		redact_add_link(r, b, s, len);
		return;
	case KIND_COMMENT:
		redact_add_comment(r, b, s, len);
		return;
	case KIND_ENDPOINT:
		add_endpoint(r, b, s, len);
		return;
	case KIND_PLAIN:
		if (is_plain(s) || is_module(s))
			strbuf_add(b, s, len);
		else
			redact_add_text(r, b, s, len);
		return;
	case KIND_TEXT:
		if (is_plain(s) || is_module(s))
			strbuf_add(b, s, len);
		else
			redact_add_text(r, b, s, len);
		return;
	}
}

/* Options by their names, sorted: of others nobody knows who chose them. */
static bool is_option(const char *s)
{
	static const char *const names[] = {
		"accept-local", "add-set", "ahlen", "ahspi", "algo", "and-mark", "bytecode", "bytes-eq", "bytes-gt", "bytes-lt", "cgroup",
		"checksum-fill", "clamp-mss-to-pmss", "clamp-mss-to-pmtu", "cluster-hash-seed", "cluster-local-node", "cluster-local-nodemask",
		"cluster-total-nodes", "cmd-owner", "comment", "connbytes", "connbytes-dir", "connbytes-mode", "connlimit-above", "connlimit-daddr",
		"connlimit-mask", "connlimit-saddr", "connlimit-upto", "cpu", "ctdir", "ctevents", "ctexpire", "ctmask", "ctorigdst", "ctorigdstport",
		"ctorigsrc", "ctorigsrcport", "ctproto", "ctrepldst", "ctrepldstport", "ctreplsrc", "ctreplsrcport", "ctstate", "ctstatus",
		"datestart", "datestop", "days", "dccp-option", "dccp-types", "del-set", "destination-port", "destination-ports", "dir", "dport",
		"dports", "dscp", "dscp-class", "dst-group", "dst-len", "dst-opts", "dst-range", "dst-type", "ecn-ip-ect", "espspi", "every", "exist",
		"expevents", "fragid", "fraglen", "from", "genre", "gid-owner", "goto", "hashlimit", "hashlimit-above", "hashlimit-burst",
		"hashlimit-dstmask", "hashlimit-htable-expire", "hashlimit-htable-gcinterval", "hashlimit-htable-max", "hashlimit-htable-size",
		"hashlimit-mode", "hashlimit-name", "hashlimit-rate-interval", "hashlimit-srcmask", "hashlimit-upto", "hbh-len", "hbh-opts", "header",
		"helper", "hex-string", "hitcount", "hl", "hl-dec", "hl-eq", "hl-gt", "hl-inc", "hl-lt", "hl-set", "icmp-type", "icmpv6-type",
		"invert", "ipcompspi", "ipvs", "jump", "kerneltz", "label", "length", "limit", "limit-burst", "limit-iface-in", "limit-iface-out",
		"log", "log-ip-options", "log-level", "log-macdecode", "log-prefix", "log-tcp-options", "log-tcp-sequence", "log-uid", "loose",
		"mac-source", "map-set", "mark", "mask", "match-set", "mh-type", "mode", "monthdays", "mss", "name", "nfacct-name", "nflog-group",
		"nflog-prefix", "nflog-range", "nflog-size", "nflog-threshold", "nfmask", "notrack", "nowildcard", "object-pinned", "on-ip", "on-port",
		"or-mark", "packet", "packets-eq", "packets-gt", "packets-lt", "path", "persistent", "physdev-in", "physdev-is-bridged",
		"physdev-is-in", "physdev-is-out", "physdev-out", "pid-owner", "pkt-type", "pol", "port", "ports", "probability", "proto", "pversion",
		"queue-balance", "queue-bypass", "queue-num", "quota", "random", "random-fully", "rateest", "rateest-bps", "rateest-bps1",
		"rateest-bps2", "rateest-pps", "rateest-pps1", "rateest-pps2", "rateest1", "rateest2", "rcheck", "rdest", "realm", "reap",
		"reject-with", "remove", "reqid", "restore-mark", "restore-skmark", "return-nomatch", "rsource", "rt-0-addrs", "rt-len", "rt-segsleft",
		"rt-type", "rttl", "save-mark", "seconds", "set", "set-dscp", "set-mark", "set-mss", "set-tos", "set-xmark", "sid", "sid-owner",
		"socket-exists", "source-port", "source-ports", "spi", "sport", "sports", "src-group", "src-range", "src-type", "srh-hdr-len-eq",
		"srh-hdr-len-gt", "srh-hdr-len-lt", "srh-last-entry-eq", "srh-last-entry-gt", "srh-last-entry-lt", "srh-lsid", "srh-next-hdr",
		"srh-nsid", "srh-psid", "srh-segs-left-eq", "srh-segs-left-gt", "srh-segs-left-lt", "srh-tag", "state", "strict", "string", "svcdoctor-unknown", "syn",
		"tcp-flags", "tcp-option", "tid", "timeout", "timestart", "timestop", "to", "to-destination", "to-ports", "to-source", "tos",
		"tproxy-mark", "transparent", "ttl", "ttl-dec", "ttl-eq", "ttl-gt", "ttl-inc", "ttl-lt", "ttl-set", "tunnel-dst", "tunnel-src", "type",
		"u32", "uid-owner", "update", "update-counters", "update-subcounters", "vaddr", "validmark", "vdir", "vmethod", "vport", "vportctl",
		"vproto", "weekdays", "wscale", "xor-mark", "zone", "zone-orig", "zone-reply",
	};
	size_t lo = 0, hi = ARRAY_LEN(names);

	if (s[0] != '-' || s[1] != '-')
		return s[0] == '-' && s[1] && strchr("AIPNjgsdiopmfc46", s[1]) && !s[2];
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = strcmp(s + 2, names[mid]);

		if (c == 0)
			return true;
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return false;
}

static void add_rule(struct redact *r, struct strbuf *b, const char *s, const char *end)
{
	enum kind kind = KIND_TEXT;
	struct word w, option = { .len = 0 };
	bool first = true;

	while (next_word(&s, end, &w)) {
		struct strbuf value CLEANUP(strbuf_release) = STRBUF_INIT;

		if (!first)
			strbuf_addc(b, ' ');
		first = false;
		if (!w.quoted && (is_option(w.text) || strcmp(w.text, "!") == 0)) {
			strbuf_adds(b, w.text);
			if (w.text[0] == '-') {
				option = w;
				kind = kind_of(option.text);
			}
			continue;
		}
		add_value(r, &value, kind, w.text, w.len);
		add_plain(b, strbuf_str(&value), w.quoted);
		/* Behind a set's name stand its directions. */
		kind = kind == KIND_CHAIN ? KIND_TEXT : kind;
		r->failed |= value.failed;
	}
}

/* ":KUBE-SERVICES - [0:0]" */
static void add_declaration(struct redact *r, struct strbuf *b, const char *s, const char *end)
{
	size_t n = 0;

	while (s + n < end && s[n] != ' ')
		n++;
	redact_add_chain(r, b, s, n);
	/* policy and counters: nothing else has these letters */
	for (s += n; s < end; s++) {
		if (isupper((unsigned char)*s) || isdigit((unsigned char)*s) || strchr(" -[]:", *s))
			strbuf_addc(b, *s);
	}
}

/* "# Generated by iptables-save v1.8.9 (nf_tables) on Sat ...": the program and its version. */
static bool add_program(struct strbuf *b, const char *s, size_t len)
{
	static const char head[] = "# Generated by ";
	size_t n = sizeof(head) - 1, name, version = 0;

	if (len <= n || memcmp(s, head, n) != 0)
		return false;
	s += n;
	len -= n;
	name = MIN(strspn(s, "ablegnpfstvx64-i"), len);
	if (name < 8 || name > 24 || memmem(s, name, "tables", 6) == NULL)
		return false;
	if (len > name + 2 && s[name] == ' ' && s[name + 1] == 'v')
		version = 2 + strspn(s + name + 2, "0123456789.");
	strbuf_addf(b, "%s%.*s%s", head, (int)(name + MIN(version, (size_t)16)), s, memmem(s, len, "(nf_tables)", 11) ? " (nf_tables)" : "");
	return true;
}

/* The warnings that are read; of other comments nothing. */
static void add_hash_line(struct strbuf *b, const char *s, const char *end)
{
	static const char *const tables[] = { "filter", "nat", "mangle", "raw", "security" };
	static const char legacy[] = "tables-legacy tables present", table[] = "# Table `";
	size_t len = (size_t)(end - s), n = sizeof(table) - 1;

	if (add_program(b, s, len))
		return;
	if (memmem(s, len, legacy, sizeof(legacy) - 1)) {
		strbuf_addf(b, "# Warning: ip%stables-legacy tables present, use ip%stables-legacy-save to see them", memmem(s, len, "ip6", 3) ? "6" : "",
			    memmem(s, len, "ip6", 3) ? "6" : "");
		return;
	}
	for (size_t k = 0; k < ARRAY_LEN(tables) && len > n && memcmp(s, table, n) == 0; k++) {
		size_t t = strlen(tables[k]);

		if (len > n + t && memcmp(s + n, tables[k], t) == 0 && s[n + t] == '\'') {
			strbuf_addf(b, "%s%s' is incompatible, use 'nft' tool.", table, tables[k]);
			return;
		}
	}
	strbuf_addc(b, '#');
}

static void add_line(struct redact *r, struct strbuf *b, const char *s, const char *end)
{
	const char *close;

	if (s == end)
		return;
	if (*s == '#') {
		add_hash_line(b, s, end);
	} else if (*s == '*') {
		strbuf_addc(b, '*');
		redact_add_chain(r, b, s + 1, (size_t)(end - s - 1));
	} else if (*s == ':') {
		strbuf_addc(b, ':');
		add_declaration(r, b, s + 1, end);
	} else if (end - s == 6 && memcmp(s, "COMMIT", 6) == 0) {
		strbuf_adds(b, "COMMIT");
	} else {
		close = *s == '[' ? memchr(s, ']', (size_t)(end - s)) : NULL;
		if (close && strspn(s, "[]0123456789:") >= (size_t)(close + 1 - s)) {
			strbuf_add(b, s, (size_t)(close + 1 - s));
			strbuf_addc(b, ' ');
			s = close + 1;
		}
		add_rule(r, b, s, end);
	}
}

static int each_line(struct redact *r, const char *data, size_t size, struct strbuf *b,
		     void (*fn)(struct redact *r, struct strbuf *b, const char *s, const char *end))
{
	const char *end = data + size;

	while (data < end) {
		const char *nl = memchr(data, '\n', (size_t)(end - data)), *to = nl ? nl : end;

		fn(r, b, data, to > data && to[-1] == '\r' ? to - 1 : to);
		if (nl)
			strbuf_addc(b, '\n');
		data = nl ? nl + 1 : end;
	}
	return r->failed || b->failed ? -1 : 1;
}

/* ---- endpoints by chance: kube-proxy lists them in the order of their texts, which the new ones have not ---- */

#define RUN_MAX 4096 /* endpoints of a Service */

/* A line that jumps to an endpoint's chain: "-A KUBE-SVC-X ... --comment "ns/name -> 10.1.2.3:80" ... -j KUBE-SEP-Y". */
struct jump {
	const char *chain, *endpoint, *target; /* in the text; NULL: it is none */
	size_t chain_len, endpoint_len, target_len;
	bool recent;
};

struct jump_run {
	const struct map *whole;	     /* chains of endpoints that translate; of the dump as it was */
	struct jump first;		     /* the same */
	char last[IP_ENDPOINT_STRLEN];	     /* its last endpoint */
	size_t from, len;		     /* where the run begins in the new text; how many lines */
	bool sorted;
};

static void read_jump(const char *s, const char *end, struct jump *ret)
{
	static const char append[] = "-A KUBE-SV", arrow[] = " -> ", jump[] = " -j KUBE-SEP-";
	const char *a = memmem(s, (size_t)(end - s), append, sizeof(append) - 1);
	const char *e = a ? memmem(a, (size_t)(end - a), arrow, sizeof(arrow) - 1) : NULL;
	const char *j = e ? memmem(e, (size_t)(end - e), jump, sizeof(jump) - 1) : NULL, *quote;

	*ret = (struct jump){ 0 };
	quote = j ? memchr(e, '"', (size_t)(j - e)) : NULL;
	if (!quote)
		return;
	ret->chain = a + 3;
	ret->chain_len = strcspn(ret->chain, " \n");
	ret->endpoint = e + sizeof(arrow) - 1;
	ret->endpoint_len = (size_t)(quote - ret->endpoint);
	ret->target = j + 4;
	ret->target_len = strcspn(ret->target, " \r\n");
	ret->recent = memmem(quote, (size_t)(j - quote), "--rcheck", 8);
	if (ret->endpoint_len >= IP_ENDPOINT_STRLEN || ret->target_len >= EXPECT_CHAIN_MAX)
		ret->chain = NULL;
}

static bool same_run(const struct jump *a, const struct jump *b)
{
	return a->chain && b->chain && a->chain_len == b->chain_len && memcmp(a->chain, b->chain, a->chain_len) == 0 && a->recent == b->recent;
}

struct jump_text {
	char endpoint[IP_ENDPOINT_STRLEN], target[EXPECT_CHAIN_MAX];
};

static int compare_jumps(const void *a, const void *b)
{
	return strcmp(((const struct jump_text *)a)->endpoint, ((const struct jump_text *)b)->endpoint);
}

/* One line with another endpoint, wherever its own stands. */
static void add_moved(struct strbuf *b, const char *s, const char *end, const struct jump_text *old, const struct jump_text *new)
{
	size_t e = strlen(old->endpoint), t = strlen(old->target);

	while (s < end) {
		if ((size_t)(end - s) >= e && memcmp(s, old->endpoint, e) == 0) {
			strbuf_adds(b, new->endpoint);
			s += e;
		} else if ((size_t)(end - s) >= t && memcmp(s, old->target, t) == 0) {
			strbuf_adds(b, new->target);
			s += t;
		} else {
			strbuf_addc(b, *s++);
		}
	}
}

static int sort_run(const struct jump_run *run, struct strbuf *b)
{
	struct strbuf moved CLEANUP(strbuf_release) = STRBUF_INIT;
	struct jump_text *was, *now;
	const char *s = strbuf_str(b) + run->from;

	if (!run->sorted || run->len < 2 || run->len > RUN_MAX)
		return 0;
	was = calloc(2 * run->len, sizeof(*was));
	if (!was)
		return -1;
	now = was + run->len;
	for (size_t i = 0; i < run->len; i++) {
		const char *end = s + strcspn(s, "\n");
		struct jump j;

		read_jump(s, end, &j);
		if (!j.chain) {
			free(was);
			return 0;
		}
		memcpy(was[i].endpoint, j.endpoint, j.endpoint_len);
		memcpy(was[i].target, j.target, j.target_len);
		s = end + (*end == '\n');
	}
	memcpy(now, was, run->len * sizeof(*was));
	qsort(now, run->len, sizeof(*now), compare_jumps);
	s = strbuf_str(b) + run->from;
	for (size_t i = 0; i < run->len; i++) {
		const char *end = s + strcspn(s, "\n");

		end += *end == '\n';
		add_moved(&moved, s, end, &was[i], &now[i]);
		s = end;
	}
	free(was);
	if (moved.failed)
		return -1;
	b->len = run->from;
	strbuf_add(b, moved.s, moved.len);
	return 0;
}

/* The line @s, which stands at @at in @b by now, goes on with the run, or ends it. */
static int follow_run(struct jump_run *run, const char *s, const char *end, struct strbuf *b, size_t at)
{
	struct strbuf tail CLEANUP(strbuf_release) = STRBUF_INIT;
	char text[IP_ENDPOINT_STRLEN];
	struct jump j;
	bool whole;
	int r = 0;

	read_jump(s, end, &j);
	snprintf(text, sizeof(text), "%.*s", j.chain ? (int)j.endpoint_len : 0, j.chain ? j.endpoint : "");
	whole = j.chain && map_get(run->whole, j.target, j.target_len);
	if (run->len > 0 && same_run(&run->first, &j)) {
		run->sorted = run->sorted && whole && strcmp(run->last, text) <= 0;
		run->len++;
		memcpy(run->last, text, sizeof(text));
		return 0;
	}
	if (run->len > 1) {
		strbuf_add(&tail, strbuf_str(b) + at, b->len - at);
		b->len = at;
		b->s[at] = '\0';
		r = tail.failed ? -1 : sort_run(run, b);
		at = b->len;
		strbuf_add(b, strbuf_str(&tail), tail.len);
	}
	*run = (struct jump_run){ .whole = run->whole, .first = j, .from = at, .len = j.chain ? 1 : 0, .sorted = whole };
	memcpy(run->last, text, sizeof(text));
	return r;
}

/* Where an endpoint's chain is empty, packets go on to the next one: then the order says something, and stays. */
static void find_whole(struct redact *r, const char *data, const char *end, struct map *ret)
{
	static const char append[] = "-A KUBE-SEP-";

	while (data < end) {
		const char *nl = memchr(data, '\n', (size_t)(end - data)), *to = nl ? nl : end;
		const char *a = memmem(data, (size_t)(to - data), append, sizeof(append) - 1);

		if (a && memmem(a, (size_t)(to - a), "--to-destination", 16) && map_put(ret, a + 3, strcspn(a + 3, " \n"), r) < 0)
			r->failed = true;
		data = nl ? nl + 1 : end;
	}
}

int redact_xtables(struct redact *r, const char *data, size_t size, struct strbuf *b)
{
	const char *end = data + size;
	struct map whole CLEANUP(map_release) = { 0 };
	struct jump_run run = { .whole = &whole };

	if (!r->learning)
		find_whole(r, data, end, &whole);
	while (data < end && !r->failed && !b->failed) {
		const char *nl = memchr(data, '\n', (size_t)(end - data)), *to = nl ? nl : end;
		size_t at = b->len;

		add_line(r, b, data, to > data && to[-1] == '\r' ? to - 1 : to);
		if (nl)
			strbuf_addc(b, '\n');
		if (!r->learning && follow_run(&run, data, to, b, at) < 0)
			r->failed = true;
		data = nl ? nl + 1 : end;
	}
	return r->failed || b->failed ? -1 : 1;
}

/* ---- ipset ---- */

/* One part of an element: an address, a port, a protocol with a port, a link, a MAC, a mark. */
static void add_part(struct redact *r, struct strbuf *b, const char *s, size_t len)
{
	static const char *const protos[] = { "tcp:", "udp:", "sctp:", "icmp:", "icmpv6:", "udplite:" };
	const char *dash = memchr(s, '-', len);

	if (len > 0 && strspn(s, "0123456789-:x") >= len) {
		strbuf_add(b, s, len);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(protos); i++) {
		size_t n = strlen(protos[i]);

		if (len > n && memcmp(s, protos[i], n) == 0 && strspn(s + n, "0123456789-/") >= len - n) {
			strbuf_add(b, s, len);
			return;
		}
	}
	if (redact_add_mac(r, b, s, len) || redact_add_address(r, b, s, len))
		return;
	if (dash && dash > s) {
		add_part(r, b, s, (size_t)(dash - s));
		strbuf_addc(b, '-');
		add_part(r, b, dash + 1, len - (size_t)(dash + 1 - s));
		return;
	}
	redact_add_link(r, b, s, len);
}

static void add_element(struct redact *r, struct strbuf *b, const char *s)
{
	for (;;) {
		size_t n = strcspn(s, ",");

		add_part(r, b, s, n);
		s += n;
		if (!*s)
			return;
		strbuf_addc(b, *s++);
	}
}

/* Of a set's head: its options and numbers. */
static void add_set_word(struct redact *r, struct strbuf *b, const char *s, bool comment)
{
	static const char *const words[] = { "family", "inet", "inet6", "hashsize", "maxelem", "bucketsize", "initval", "range", "timeout", "counters", "comment",
					     "netmask", "size", "nomatch", "packets", "bytes", "skbinfo", "forceadd", "hash", "list:set", "markmask", "skbmark" };

	for (size_t i = 0; !comment && i < ARRAY_LEN(words); i++) {
		if (strcmp(words[i], s) == 0) {
			strbuf_adds(b, s);
			return;
		}
	}
	if (!comment && (str_starts(s, "hash:") || str_starts(s, "bitmap:")) && s[strspn(s, "abcdefghijklmnopqrstuvwxyz:,")] == '\0')
		strbuf_adds(b, s);
	else if (!comment && s[strspn(s, "0123456789-x")] == '\0')
		strbuf_adds(b, s);
	else if (!comment && str_starts(s, "0x") && s[strspn(s, "0123456789abcdefx")] == '\0')
		strbuf_adds(b, s);
	else if (!redact_add_address(r, b, s, strlen(s)))
		redact_adds_text(r, b, s);
}

static void add_set_line(struct redact *r, struct strbuf *b, const char *s, const char *end)
{
	struct word w;
	bool add = false, comment = false;

	for (size_t i = 0; next_word(&s, end, &w); i++) {
		struct strbuf value CLEANUP(strbuf_release) = STRBUF_INIT;

		if (i == 0) {
			add = strcmp(w.text, "add") == 0;
			if (!add && strcmp(w.text, "create") != 0)
				return;
		}
		strbuf_adds(b, i ? " " : "");
		if (i == 0)
			strbuf_adds(&value, w.text);
		else if (i == 1)
			redact_add_chain(r, &value, w.text, w.len);
		else if (i == 2 && add)
			add_element(r, &value, w.text);
		else
			add_set_word(r, &value, w.text, comment);
		comment = i > 2 && !comment && strcmp(w.text, "comment") == 0;
		add_plain(b, strbuf_str(&value), w.quoted);
		r->failed |= value.failed;
	}
}

int redact_ipset(struct redact *r, const char *data, size_t size, struct strbuf *b)
{
	return each_line(r, data, size, b, add_set_line);
}

/* ---- ipvsadm ---- */

static bool is_ipvs_word(const char *s)
{
	static const char *const words[] = { "IP",	"Virtual", "Server", "version", "Prot",	   "LocalAddress:Port", "Scheduler", "Flags",  "->",  "RemoteAddress:Port",
					     "Forward", "Weight",  "ActiveConn", "InActConn", "TCP", "UDP",	    "SCTP",	 "FWM",	   "Masq", "Route", "Tunnel", "Local",
					     "persistent", "mask", "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "dh", "sed", "nq", "mh", "fo", "ovf", "ops", "pe", "hashed" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(words[i], s) == 0)
			return true;
	}
	return s[strspn(s, "0123456789.")] == '\0' || (s[0] == '-' && s[1] && strlen(s) <= 3) || str_starts(s, "(size=");
}

static void add_ipvs_line(struct redact *r, struct strbuf *b, const char *s, const char *end)
{
	while (s < end) {
		size_t n = 0;
		struct word w;
		struct ip_addr a;

		while (s < end && (*s == ' ' || *s == '\t'))
			strbuf_addc(b, *s++);
		while (s + n < end && s[n] != ' ' && s[n] != '\t' && n + 1 < sizeof(w.text))
			n++;
		memcpy(w.text, s, n);
		w.text[n] = '\0';
		if (n > 0 && is_ipvs_word(w.text) && ip_addr_parse(w.text, &a) < 0)
			strbuf_add(b, s, n);
		else if (n > 0)
			add_endpoint(r, b, w.text, n);
		s += n;
	}
}

int redact_ipvs(struct redact *r, const char *data, size_t size, struct strbuf *b)
{
	return each_line(r, data, size, b, add_ipvs_line);
}
