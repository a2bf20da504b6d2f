/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of DNS on nodes and in pods: resolv.conf, what dig, kdig, nslookup, host and getent print, and the counts of conntrack. Of each only lines
 * of the forms below go through; another line becomes a remark, so that the numbers of lines stay. Names are replaced label by label, as the objects' are.
 */

#include <ctype.h>
#include <netinet/in.h>

#include "redact-private.h"

#define LINE_SIZE_MAX 8192
#define NAME_SIZE_MAX 1024

/* ---- names ---- */

/* "10-244-1-5", "fd00--1": what a pod is called that has no other name. */
static bool add_dashed(struct redact *r, struct strbuf *b, const char *s, size_t len)
{
	struct strbuf out CLEANUP(strbuf_release) = STRBUF_INIT;
	char text[IP_ADDR_STRLEN];
	struct ip_addr a;
	bool six = false;

	if (len < 3 || len >= sizeof(text))
		return false;
	for (size_t i = 0; i < len; i++)
		six |= i > 0 && s[i] == '-' && s[i - 1] == '-';
	for (size_t i = 0, dashes = 0; i < len; i++) {
		dashes += s[i] == '-';
		six |= dashes > 3;
	}
	for (size_t i = 0; i < len; i++)
		text[i] = s[i] == '-' ? (six ? ':' : '.') : s[i];
	if (!isxdigit((unsigned char)*s) || ip_addr_parsen(text, len, &a) < 0 || !redact_add_address(r, &out, text, len))
		return false;
	for (size_t i = 0; i < out.len; i++)
		strbuf_addc(b, out.s[i] == '.' || out.s[i] == ':' ? '-' : out.s[i]);
	r->failed |= out.failed;
	return true;
}

static void add_label(struct redact *r, struct strbuf *b, const char *s, size_t len)
{
	static const char *const kept[] = { "svc", "pod", "*", "_tcp", "_udp", "_sctp", NULL };
	struct strbuf plain CLEANUP(strbuf_release) = STRBUF_INIT;

	if (str_one_of(s, len, kept)) {
		strbuf_add(b, s, len);
		return;
	}
	if (add_dashed(r, b, s, len))
		return;
	/* bytes that are written as numbers */
	for (size_t i = 0; i < len; i++) {
		if (s[i] != '\\') {
			strbuf_addc(&plain, s[i]);
			continue;
		}
		strbuf_addc(&plain, 'x');
		i += i + 3 < len && isdigit((unsigned char)s[i + 1]) ? 3 : 1;
	}
	redact_add_name(r, b, strbuf_str(&plain), plain.len);
	r->failed |= plain.failed;
}

/* "7.96.10" before .in-addr.arpa, of a network or of an address; nibbles before .ip6.arpa. */
static bool add_reverse(struct redact *r, struct strbuf *b, const char *s, size_t len, bool six)
{
	struct strbuf text CLEANUP(strbuf_release) = STRBUF_INIT, out CLEANUP(strbuf_release) = STRBUF_INIT;
	struct ip_prefix p = { .addr = { .family = six ? AF_INET6 : AF_INET } }, q;
	const size_t step = six ? 4 : 8, most = six ? 32 : 4;
	char buf[IP_PREFIX_STRLEN];
	size_t n = 0;

	for (const char *end = s + len; end > s && n < most;) {
		const char *dot = memrchr(s, '.', (size_t)(end - s)), *from = dot ? dot + 1 : s;
		char number[8];
		uint64_t v;

		snprintf(number, sizeof(number), "%s%.*s", six ? "0x" : "", (int)MIN((size_t)(end - from), (size_t)4), from);
		if (parse_uint(number, strlen(number), six ? 15 : 255, &v) < 0)
			return false;
		p.addr.b[n * step / 8] |= (uint8_t)(six && n % 2 == 0 ? v << 4 : v);
		n++;
		end = dot ? dot : s;
	}
	p.len = (uint8_t)(n * step);
	ip_prefix_format(&p, buf);
	if (n == 0 || !redact_add_address(r, &out, buf, strlen(buf)) || ip_prefix_parse(strbuf_str(&out), &q) < 0)
		return false;
	for (size_t i = n; i-- > 0;)
		strbuf_addf(&text, six ? "%s%x" : "%s%u", i + 1 < n ? "." : "", six ? (i % 2 ? q.addr.b[i / 2] & 15u : q.addr.b[i / 2] >> 4u) : q.addr.b[i]);
	strbuf_adds(b, strbuf_str(&text));
	r->failed |= text.failed || out.failed;
	return true;
}

static bool has_tail(const char *s, size_t len, const char *tail)
{
	size_t n = strlen(tail);

	return len > n && strncasecmp(s + len - n, tail, n) == 0;
}

void redact_add_dns_name(struct redact *r, struct strbuf *b, const char *s, size_t len)
{
	static const char domain[] = "cluster.local", reverse4[] = ".in-addr.arpa", reverse6[] = ".ip6.arpa";
	const bool dot = len > 0 && s[len - 1] == '.';
	const bool six = has_tail(s, len - dot, reverse6);
	size_t tail = six ? sizeof(reverse6) - 1 : sizeof(reverse4) - 1;

	len -= dot;
	if ((six || has_tail(s, len, reverse4)) && add_reverse(r, b, s, len - tail, six)) {
		strbuf_adds(b, six ? reverse6 : reverse4);
	} else {
		for (size_t at = 0; at < len;) {
			const char *end = memchr(s + at, '.', len - at);
			size_t n = end ? (size_t)(end - s) - at : len - at;

			/* also in its middle, where a search list was appended to a name that was whole */
			if (len - at >= sizeof(domain) - 1 && strncasecmp(s + at, domain, sizeof(domain) - 1) == 0 &&
			    (len - at == sizeof(domain) - 1 || s[at + sizeof(domain) - 1] == '.')) {
				n = sizeof(domain) - 1;
				strbuf_add(b, s + at, n);
			} else {
				add_label(r, b, s + at, n);
			}
			at += n;
			if (at < len) {
				strbuf_addc(b, '.');
				at++;
			}
		}
	}
	strbuf_adds(b, dot ? "." : "");
}

static bool is_name(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr("-_.*\\", s[i]))
			return false;
	return len > 0 && len <= NAME_SIZE_MAX;
}

/* "10.96.0.10#53", "10.96.0.10@53", "10.96.0.10:53", "[fd00::a]:53", with a zone or without. */
static bool add_server(struct redact *r, struct strbuf *b, const char *s, size_t len)
{
	const bool bracket = len > 0 && *s == '[';
	size_t n = bracket ? 1 : 0, from = n, to;

	while (n < len && (isxdigit((unsigned char)s[n]) || s[n] == ':' || s[n] == '.'))
		n++;
	to = n;
	/* a port behind an address of IPv4 */
	if (!bracket && memchr(s, '.', n) && memchr(s, ':', n) && memchr(s, ':', n) == memrchr(s, ':', n))
		to = (size_t)((const char *)memchr(s, ':', n) - s);
	for (n = to; n < len; n++)
		if (!isdigit((unsigned char)s[n]) && !strchr("#@:]", s[n]))
			return false;
	strbuf_add(b, s, from);
	if (!redact_add_address(r, b, s + from, to - from))
		return false;
	strbuf_add(b, s + to, len - to);
	return true;
}

/* ---- words of the forms ---- */

static bool is_type(const char *s, size_t len)
{
	static const char *const types[] = { "A", "AAAA", "NS", "CNAME", "SOA", "PTR", "HINFO", "MX", "TXT", "SRV", "DNAME", "OPT", "ANY", "HTTPS", "SVCB", "CAA", "NAPTR",
					     "a", "aaaa", "ns", "cname", "soa", "ptr", "hinfo", "mx", "txt", "srv", "any", NULL };

	if (str_one_of(s, len, types))
		return true;
	return len > 4 && len < 10 && memcmp(s, "TYPE", 4) == 0 && strspn(s + 4, "0123456789") >= len - 4;
}

static bool is_rcode(const char *s, size_t len)
{
	static const char *const codes[] = { "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE", NULL };

	return str_one_of(s, len, codes) || (len > 8 && len < 11 && memcmp(s, "RESERVED", 8) == 0 && strspn(s + 8, "0123456789") >= len - 8);
}

static bool is_flag(const char *s, size_t len)
{
	static const char *const flags[] = { "qr", "aa", "tc", "rd", "ra", "ad", "cd", NULL };

	return str_one_of(s, len, flags);
}

static bool is_digits(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isdigit((unsigned char)s[i]) && !(s[i] == '.' && i > 0 && i + 1 < len))
			return false;
	return len > 0 && len <= 10;
}

static bool is_reason(const char *s, size_t len)
{
	static const char *const reasons[] = { "timed out",	    "connection refused", "connection refused.", "host unreachable", "host unreachable.",
					       "network unreachable", "network unreachable.", "end of file", "connection reset", "permission denied",
					       "permission denied.", "Name does not resolve", "Try again", "Name or service not known",
					       "Temporary failure in name resolution", "Connection refused", "Network unreachable", "Host is unreachable", NULL };

	return str_one_of(s, len, reasons);
}

/* ---- forms: a blank stands for any, %n a name, %a a server, %d digits, %c a code, %t a type, %f flags, %p UDP or TCP, %e why, to the end; %x and %0 a word and a number that are not shown, %r what is left out, to the end ---- */

static const char *const forms[] = {
	";; Got answer:", ";; Sending:", ";; ->>HEADER<<- opcode: QUERY, status: %c, id: %d", ";; ->>HEADER<<- opcode: QUERY; status: %c; id: %d",
	";; flags:%f QUERY: %d, ANSWER: %d, AUTHORITY: %d, ADDITIONAL: %d", ";; Flags:%f QUERY: %d; ANSWER: %d; AUTHORITY: %d; ADDITIONAL: %d",
	";; QUESTION SECTION:", ";; ANSWER SECTION:", ";; AUTHORITY SECTION:", ";; ADDITIONAL SECTION:", ";; OPT PSEUDOSECTION:", ";; EDNS PSEUDOSECTION:",
	";; Query time: %d msec", ";; Query time: %d usec", ";; SERVER: %a(%a) (%p)", ";; SERVER: %a(%a)", ";; MSG SIZE rcvd: %d",
	";; Received %d B", ";; From %a(%p) in %d ms", ";; To %a(%p) in %d ms", "Received %d bytes from %a in %d ms",
	";; communications error to %a: %e", ";; Connection to %a(%a) for %n failed: %e", ";; UDP setup with %a(%a) for %n failed: %e",
	";; no servers could be reached", ";; connection timed out; no servers could be reached", ";; Truncated, retrying in TCP mode.",
	";; Warning: ID mismatch%r", ";; Question section mismatch%r", ";; ;; Question section mismatch%r", ";; reply from unexpected source%r",
	";; Warning: short (< header size) message received", ";; Warning: Message parser reports malformed message packet.",
	";; WARNING: truncated reply from %a(%p), retrying over TCP", ";; WARNING: response timeout for %a(%p)", ";; WARNING: connection timeout for %a(%p)",
	";; WARNING: can't connect to %a(%p)", ";; WARNING: can't send query to %a(%p)", ";; WARNING: can't receive reply from %a(%p)", ";; WARNING: reply ID%r",
	";; ERROR: malformed reply packet from %a(%p)", ";; ERROR: failed to query server %a(%p)", ";; Got SERVFAIL reply from %a",
	";%n IN %t", ";; %n IN %t",
	"Server: %a", "Address: %a", "Address %d: %a", "Address %d: %a %n", "Name: %n", "Aliases:", "Using domain server:", "Non-authoritative answer:",
	"** server can't find %n: %c", "*** Can't find %n: No answer", "%n canonical name = %n", "%n service = %d %d %d %n", "%n name = %n", "%n nameserver = %n",
	"%n mail exchanger = %d %n", "%n text = %x", "%n descriptive text %x", "%n has address %a", "%n has IPv6 address %a", "%n is an alias for %n", "%n has SRV record %d %d %d %n",
	"%n domain name pointer %n", "%n mail is handled by %d %n", "%n has no %t record", "Host %n not found: %d(%c)", "nslookup: can't resolve '%n'",
	"nslookup: can't resolve '%n': %e", "nslookup: write to '%a': %e", "dig: couldn't get address for '%n': %r",
	"------------", " origin = %n", " mail addr = %n", " serial = %0", " refresh = %d", " retry = %d", " expire = %d", " minimum = %d",
	"%a STREAM %n", "%a STREAM", "%a DGRAM", "%a RAW", "%a %n", "%a %n %n", "%a %n %n %n", "%a", "%n",
};

/* How much of @s the wild card takes: up to what follows it in the form. */
static size_t token_len(char kind, const char *behind, const char *s)
{
	size_t n, lit = strcspn(behind, " %");

	if (strchr("erx0", kind))
		return strlen(s);
	if (kind == 'f')
		return strcspn(s, ";") + (strchr(s, ';') ? 1 : 0);
	n = strcspn(s, kind == 'a' || kind == 'p' || kind == 'd' || kind == 'c' ? " \t()'" : " \t'");
	/* "nope:" before ": %c" */
	if (lit > 0 && n >= lit && !strchr(" \t()'", *behind) && memcmp(s + n - lit, behind, lit) == 0)
		n -= lit;
	return n;
}

static bool add_flags(struct strbuf *b, const char *s, size_t len)
{
	if (len == 0 || s[len - 1] != ';')
		return false;
	for (size_t at = 0; at + 1 < len;) {
		size_t skip = strspn(s + at, " "), n = strcspn(s + at + skip, " ;");

		if (n > 0 && !is_flag(s + at + skip, n))
			return false;
		at += skip + MAX(n, (size_t)(skip == 0));
	}
	strbuf_add(b, s, len);
	return true;
}

static bool add_token(struct redact *r, struct strbuf *b, char kind, const char *s, size_t len)
{
	switch (kind) {
	case 'n':
		if (!is_name(s, len))
			return false;
		redact_add_dns_name(r, b, s, len);
		return true;
	case 'a':
		return add_server(r, b, s, len);
	case 'f':
		return add_flags(b, s, len);
	case 'r':
		return true;
	case 'x':
		strbuf_adds(b, "\"x\"");
		return true;
	case '0':
		strbuf_addc(b, '0');
		return true;
	default:
		if (kind == 'd' ? !is_digits(s, len) : kind == 'c' ? !is_rcode(s, len) : kind == 't' ? !is_type(s, len) :
		    kind == 'p' ? !(len == 3 && (memcmp(s, "UDP", 3) == 0 || memcmp(s, "TCP", 3) == 0)) : !is_reason(s, len))
			return false;
		strbuf_add(b, s, len);
		return true;
	}
}

static bool add_form(struct redact *r, struct strbuf *b, const char *form, const char *s)
{
	while (*form) {
		size_t n;

		if (*form == '%') {
			n = token_len(form[1], form + 2, s);
			if (!add_token(r, b, form[1], s, n))
				return false;
			form += 2;
		} else if (*form == ' ') {
			n = strspn(s, " \t");
			if (n == 0)
				return false;
			strbuf_add(b, s, MIN(n, (size_t)8));
			form++;
		} else {
			if (*s != *form++)
				return false;
			strbuf_addc(b, *s);
			n = 1;
		}
		s += n;
	}
	return !*s;
}

/* ---- records ---- */

static bool next_word(const char **s, const char **ret, size_t *ret_len)
{
	*s += strspn(*s, " \t");
	*ret = *s;
	*ret_len = strcspn(*s, " \t");
	*s += *ret_len;
	return *ret_len > 0;
}

static bool add_words(struct redact *r, struct strbuf *b, const char *kinds, const char *s)
{
	const char *w;
	size_t len;

	for (; *kinds; kinds++) {
		if (!next_word(&s, &w, &len))
			return false;
		strbuf_addc(b, ' ');
		if (*kinds == '0')
			strbuf_addc(b, '0');
		else if (!add_token(r, b, *kinds, w, len))
			return false;
	}
	return !next_word(&s, &w, &len);
}

static bool add_value(struct redact *r, struct strbuf *b, const char *type, size_t len, const char *s)
{
	static const struct {
		const char *type, *kinds;
	} values[] = { { "A", "a" }, { "AAAA", "a" }, { "CNAME", "n" }, { "DNAME", "n" }, { "NS", "n" }, { "PTR", "n" }, { "SRV", "dddn" }, { "MX", "dn" }, { "SOA", "nn0dddd" } };

	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		if (strlen(values[i].type) == len && memcmp(values[i].type, type, len) == 0)
			return add_words(r, b, values[i].kinds, s);
	strbuf_adds(b, " \"x\"");
	return !strchr(s, '(');
}

/* "web.shop. 30 IN A 10.0.0.1", without seconds or class too */
static bool add_record(struct redact *r, struct strbuf *b, const char *s)
{
	const char *w;
	size_t len;

	if (!next_word(&s, &w, &len) || w[len - 1] != '.' || (!is_name(w, len) && len > 1))
		return false;
	redact_add_dns_name(r, b, w, len);
	for (int i = 0; i < 3; i++) {
		if (!next_word(&s, &w, &len))
			return false;
		strbuf_addc(b, ' ');
		if (!is_digits(w, len) && !(len == 2 && memcmp(w, "IN", 2) == 0) && !is_type(w, len))
			return false;
		strbuf_add(b, w, len);
		if (is_type(w, len))
			return add_value(r, b, w, len, s);
	}
	return false;
}

/* ---- command lines ---- */

static bool is_tool(const char *s, size_t len)
{
	static const char *const tools[] = { "dig", "kdig", "nslookup", "host", "getent", NULL };
	const char *slash = memrchr(s, '/', len);

	return slash ? str_one_of(slash + 1, len - (size_t)(slash + 1 - s), tools) : str_one_of(s, len, tools);
}

/* @types_too: a type is one, and no name. */
static bool is_option(const char *s, size_t len, bool types_too)
{
	static const char *const words[] = {
		"+tcp", "+notcp", "+vc", "+norec", "+norecurse", "+recurse", "+nordflag", "+short", "+search", "+showsearch", "+noall", "+answer", "+comments", "+stats",
		"+nocmd", "+cmd", "+noedns", "+edns", "+edns=0", "+ignore", "+yaml", "+multiline", "+nottlid", "+noquestion", "+qr", "+nocomments", "+nostats", "+dnssec",
		"-debug", "-vc", "-norecurse", "hosts", "ahosts", "ahostsv4", "ahostsv6", "IN", NULL
	};
	static const char *const numbers[] = { "+bufsize=", "+tries=", "+time=", "+timeout=", "+retry=", "+ndots=", "-timeout=", "-retry=", "-port=" };
	static const char *const types[] = { "-type=", "-query=", "-q=", "-querytype=" };

	if (str_one_of(s, len, words) || (types_too && is_type(s, len)) || (len == 2 && *s == '-' && isalnum((unsigned char)s[1])))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (len > strlen(numbers[i]) && memcmp(s, numbers[i], strlen(numbers[i])) == 0)
			return is_digits(s + strlen(numbers[i]), len - strlen(numbers[i]));
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (len > strlen(types[i]) && memcmp(s, types[i], strlen(types[i])) == 0)
			return is_type(s + strlen(types[i]), len - strlen(types[i]));
	return is_digits(s, len) && len <= 5;
}

static void add_argument(struct redact *r, struct strbuf *b, const char *s, size_t len, bool types_too)
{
	struct strbuf out CLEANUP(strbuf_release) = STRBUF_INIT;
	const bool at = *s == '@';

	if (is_option(s, len, types_too))
		strbuf_add(&out, s, len);
	else if (add_server(r, &out, s + at, len - at))
		;
	else if (is_name(s + at, len - at)) {
		strbuf_reset(&out);
		redact_add_dns_name(r, &out, s + at, len - at);
	} else {
		return;
	}
	strbuf_addf(b, " %s%s", at ? "@" : "", strbuf_str(&out));
	r->failed |= out.failed;
}

static void add_arguments(struct redact *r, struct strbuf *b, const char *s, bool dig)
{
	bool type = false;
	const char *w;
	size_t len;

	while (next_word(&s, &w, &len)) {
		if (strchr("|;&<>", *w))
			break;
		if (*w == '\'' || *w == '"') {
			w++;
			len -= len > 1 ? 2 : 1;
		}
		if (len > 0)
			add_argument(r, b, w, len, dig || type);
		type = len == 2 && memcmp(w, "-t", 2) == 0;
	}
}

/* What a shell shows before a command, and the command where it is one of these. */
static bool add_command(struct redact *r, struct strbuf *b, const char *s)
{
	static const char banner[] = "; <<>> DiG ", behind[] = " <<>>";
	const char *w, *rest = s;
	bool before = true, prompt = false;
	size_t len;

	if (str_starts(s, banner)) {
		const char *version = s + sizeof(banner) - 1, *args = strstr(version, behind);

		if (!args)
			return false;
		strbuf_addf(b, "%s%.*s%s", banner, (int)MIN(strspn(version, "0123456789."), (size_t)8), version, behind);
		add_arguments(r, b, args + sizeof(behind) - 1, true);
		return true;
	}
	for (int i = 0; next_word(&rest, &w, &len) && i < 16; i++) {
		if (before && is_tool(w, len)) {
			const char *slash = memrchr(w, '/', len);

			w = slash ? slash + 1 : w;
			strbuf_addf(b, "$ %.*s", (int)(rest - w), w);
			add_arguments(r, b, rest, str_starts(w, "dig") || str_starts(w, "kdig"));
			return true;
		}
		before = strchr("$#%", w[len - 1]) || strspn(w, "+") == len || (len == 2 && memcmp(w, "--", 2) == 0) || (len == 7 && memcmp(w, "busybox", 7) == 0);
		prompt |= i < 2 && before && *s != ' ' && *s != '\t';
	}
	if (prompt)
		strbuf_adds(b, "# other");
	return prompt;
}

/* ---- svcdoctor's own line: "end=timed-out tries=2", without its words ---- */

static bool add_own(struct strbuf *b, const char *s)
{
	static const char head[] = ";; svcdoctor:";
	static const char *const numbers[] = { "tries=", "strangers=", "source-port=", "us=", "pair=", "error=", "size=" };
	static const char *const words[] = { "searched", "records-unknown", "end=not-asked", "end=answered", "end=timed-out", "end=port-closed", "end=unreachable",
					     "end=prohibited", "end=cut-off", "end=garbage", "end=strangers", "end=failed", NULL };
	const char *w;
	size_t len;

	if (!str_starts(s, head))
		return false;
	strbuf_adds(b, head);
	s += sizeof(head) - 1;
	while (next_word(&s, &w, &len)) {
		bool ok = str_one_of(w, len, words);

		for (size_t i = 0; !ok && i < ARRAY_LEN(numbers); i++)
			ok = len > strlen(numbers[i]) && memcmp(w, numbers[i], strlen(numbers[i])) == 0 && is_digits(w + strlen(numbers[i]), len - strlen(numbers[i]));
		if (ok)
			strbuf_addf(b, " %.*s", (int)len, w);
	}
	return true;
}

/* ---- files ---- */

typedef bool dns_line_fn(struct redact *r, struct strbuf *b, const char *s);

static bool dns_line(struct redact *r, struct strbuf *b, const char *s)
{
	static const char bad[] = ";; Got bad packet: ";

	if (add_command(r, b, s) || add_own(b, s))
		return true;
	if (str_starts(s, bad)) {
		strbuf_addf(b, "%sdamaged", bad);
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		strbuf_reset(b);
		if (add_form(r, b, forms[i], s))
			return true;
	}
	strbuf_reset(b);
	return add_record(r, b, s);
}

static bool conf_line(struct redact *r, struct strbuf *b, const char *s)
{
	static const char *const flags[] = { "rotate", "use-vc", "edns0", "single-request", "single-request-reopen", "no-tld-query", "no-reload", "trust-ad", "no-aaaa",
					     "no-check-names", "debug", "inet6", NULL };
	static const char *const numbers[] = { "ndots:", "timeout:", "attempts:" };
	const char *w, *first;
	size_t len, n;

	if (!next_word(&s, &first, &n))
		return true;
	if (n == 10 && memcmp(first, "nameserver", 10) == 0) {
		strbuf_adds(b, "nameserver ");
		return next_word(&s, &w, &len) && add_server(r, b, w, len);
	}
	if ((n == 6 && memcmp(first, "search", 6) == 0) || (n == 6 && memcmp(first, "domain", 6) == 0)) {
		strbuf_add(b, first, n);
		while (next_word(&s, &w, &len)) {
			strbuf_addc(b, ' ');
			redact_add_dns_name(r, b, w, len);
		}
		return true;
	}
	if (n != 7 || memcmp(first, "options", 7) != 0)
		return false;
	strbuf_adds(b, "options");
	while (next_word(&s, &w, &len)) {
		bool ok = str_one_of(w, len, flags);

		for (size_t i = 0; !ok && i < ARRAY_LEN(numbers); i++)
			ok = len > strlen(numbers[i]) && memcmp(w, numbers[i], strlen(numbers[i])) == 0 && is_digits(w + strlen(numbers[i]), len - strlen(numbers[i]));
		if (ok)
			strbuf_addf(b, " %.*s", (int)len, w);
	}
	return true;
}

/* "cpu=0   found=0 insert_failed=0 ..." */
static bool count_line(struct redact *r, struct strbuf *b, const char *s)
{
	static const char *const keys[] = { "cpu", "searched", "found", "new", "invalid", "ignore", "delete", "delete_list", "insert", "insert_failed", "drop", "early_drop",
					    "error", "icmp_error", "search_restart", "clash_resolve", "chaintoolong", "chainlength", NULL };
	const char *w;
	size_t len;

	(void)r;
	if (!str_starts(s, "cpu="))
		return false;
	while (next_word(&s, &w, &len)) {
		const char *eq = memchr(w, '=', len);

		if (eq && str_one_of(w, (size_t)(eq - w), keys) && is_digits(eq + 1, len - (size_t)(eq + 1 - w)))
			strbuf_addf(b, "%.*s ", (int)len, w);
	}
	return true;
}

/* Lines keep their numbers: what does not go through is @remark. */
static int each_line(struct redact *r, const char *data, size_t size, struct strbuf *b, dns_line_fn *fn, const char *remark)
{
	struct strbuf line CLEANUP(strbuf_release) = STRBUF_INIT, out CLEANUP(strbuf_release) = STRBUF_INIT;
	const char *end = data + size;

	while (data < end) {
		const char *nl = memchr(data, '\n', (size_t)(end - data));
		size_t len = (size_t)((nl ? nl : end) - data);

		while (len > 0 && strchr(" \t\r", data[len - 1]) && data[len - 1])
			len--;
		strbuf_reset(&line);
		strbuf_reset(&out);
		strbuf_add(&line, data, MIN(len, (size_t)LINE_SIZE_MAX));
		if (len > 0)
			strbuf_adds(b, len <= LINE_SIZE_MAX && !memchr(data, 0, len) && fn(r, &out, strbuf_str(&line)) ? strbuf_str(&out) : remark);
		strbuf_adds(b, nl ? "\n" : "");
		data = nl ? nl + 1 : end;
	}
	r->failed |= line.failed || out.failed;
	return 1;
}

int redact_dns_text(struct redact *r, const char *data, size_t size, struct strbuf *b)
{
	return each_line(r, data, size, b, dns_line, ";");
}

int redact_resolv_conf(struct redact *r, const char *data, size_t size, struct strbuf *b)
{
	return each_line(r, data, size, b, conf_line, "#");
}

int redact_conntrack_stats(struct redact *r, const char *data, size_t size, struct strbuf *b)
{
	return each_line(r, data, size, b, count_line, "");
}
