/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Logs: known lines (lib/klog) go through, with what stands in their open parts replaced; of others only how they call themselves. In open parts the
 * words of known lines and errors stay, so that what an error means can still be told. Of kube-proxy's flags those that its configuration is read from.
 */

#include <ctype.h>
#include <errno.h>

#include "redact-private.h"

struct log_out {
	struct redact *r;
	struct strbuf *b;
	const char *at, *end; /* the raw text from the line behind the last one on */
	size_t lines;
};

/* ---- what is open ---- */

static bool is_dotted_name(const char *s, size_t len)
{
	bool dot = false, letter = false;

	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)s[i]) && !strchr("-_.", s[i]))
			return false;
		dot |= s[i] == '.';
		letter |= isalpha((unsigned char)s[i]) != 0;
	}
	return dot && letter;
}

/* What a text of words would not leave as it is. */
static const char *const kept_phrases[] = {
	"/etc/coredns/Corefile", "i/o timeout", "v1beta1.EndpointSlice", "v1.EndpointSlice", "v1.Endpoints", "v1.Service", "v1.Namespace", "v1.ServiceCIDR",
	"v1.Node", "discovery.k8s.io", "/run/xtables.lock", "xtables lock", "iptables-restore", "ip6tables-restore", "iptables-save", "ip6tables-save",
};
/* Modes of kube-proxy; matches and targets of iptables that it uses. */
static const char *const kept_words[] = {
	"iptables", "ipvs", "nftables", "userspace", "addrtype", "comment", "conntrack", "mark", "multiport", "nfacct", "physdev", "recent", "set", "state",
	"statistic", "tcp", "udp", "sctp", "DNAT", "MARK", "MASQUERADE", "REJECT", "SNAT", "KUBE", "nat", "filter", "mangle", "raw", "rr", "lc", "wrr", "sh", "ip", "ip6", "inet", "argument", NULL
};

/* "v1.28.4", and what stands behind it of somebody's own build. */
static size_t version_len(const char *s, size_t len)
{
	size_t n = 1, dots = 0;

	if (len < 4 || *s != 'v' || !isdigit((unsigned char)s[1]))
		return 0;
	for (; n < len && (isdigit((unsigned char)s[n]) || (s[n] == '.' && n + 1 < len && isdigit((unsigned char)s[n + 1]))); n++)
		dots += s[n] == '.';
	return dots == 2 && (n == len || strchr("-+ ,\"", s[n])) ? n : 0;
}

static bool is_chain(const char *s, size_t len)
{
	if (len < 6 || memcmp(s, "KUBE-", 5) != 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isupper((unsigned char)s[i]) && !isdigit((unsigned char)s[i]) && s[i] != '-')
			return false;
	return true;
}

/* "RULE_APPEND", "CHAIN_USER_DEL": what iptables-nft was about to do (iptables/nft.c nft_action). */
static bool is_action(const char *s, size_t len)
{
	static const char *const heads[] = { "RULE_", "CHAIN_", "TABLE_", "SET_", "ELEMENT_" };
	bool known = false;

	for (size_t i = 0; i < ARRAY_LEN(heads); i++)
		known |= len > strlen(heads[i]) && memcmp(s, heads[i], strlen(heads[i])) == 0;
	for (size_t i = 0; i < len; i++)
		known = known && (isupper((unsigned char)s[i]) || s[i] == '_');
	return known && len < 24;
}

/* "63.431668ms", as Go writes a length of time. */
static bool is_duration(const char *s, size_t len)
{
	static const char *const units[] = { "ns", "us", "ms", "s", NULL };
	size_t n = 0;

	while (n < len && (isdigit((unsigned char)s[n]) || s[n] == '.'))
		n++;
	return n > 0 && n <= 16 && str_one_of(s + n, len - n, units);
}

static void add_open(struct redact *r, struct strbuf *b, const char *s, size_t len);

/* A word that is kept or has a map of its own; 0: it is none. */
static size_t special_len(struct redact *r, struct strbuf *b, const char *s, size_t len)
{
	size_t n = 0, version;

	while (n < len && (isalnum((unsigned char)s[n]) || strchr("-_.", s[n])))
		n++;
	while (n > 0 && strchr(".-", s[n - 1]))
		n--;
	version = version_len(s, n);
	if (version) {
		strbuf_add(b, s, version);
		return n;
	}
	if (is_chain(s, n)) {
		redact_add_chain(r, b, s, n);
		return n;
	}
	if (str_one_of(s, n, kept_words) || redact_is_module(s, n) || is_action(s, n) || is_duration(s, n)) {
		strbuf_add(b, s, n);
		return n;
	}
	return 0;
}

/* Special words, and the text between them. */
static void add_words(struct redact *r, struct strbuf *b, const char *s, size_t len)
{
	size_t from = 0;

	for (size_t at = 0; at < len;) {
		struct strbuf word CLEANUP(strbuf_release) = STRBUF_INIT;
		const bool begins = isalnum((unsigned char)s[at]) && (at == 0 || !(isalnum((unsigned char)s[at - 1]) || strchr("-_.", s[at - 1])));
		/* an escape's letter is of no word */
		const bool escape = s[at] == '\\' && at + 1 < len && strchr("\"\\nrt", s[at + 1]);
		size_t n = escape ? 2 : begins ? special_len(r, &word, s + at, len - at) : 0;

		if (escape)
			strbuf_add(&word, s + at, 2);
		if (!n) {
			at++;
			continue;
		}
		redact_add_text(r, b, s + from, at - from);
		strbuf_add(b, strbuf_str(&word), word.len);
		r->failed |= word.failed;
		from = at += n;
	}
	redact_add_text(r, b, s + from, len - from);
}

static void add_open(struct redact *r, struct strbuf *b, const char *s, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(kept_phrases); i++) {
		const size_t n = strlen(kept_phrases[i]);
		const char *at = memmem(s, len, kept_phrases[i], n);

		if (!at || (at + n < s + len && isalnum((unsigned char)at[n])))
			continue;
		if (at > s)
			add_open(r, b, s, (size_t)(at - s));
		strbuf_add(b, at, n);
		if (at + n < s + len)
			add_open(r, b, at + n, len - (size_t)(at + n - s));
		return;
	}
	if (len == 1 && *s == '.')
		strbuf_addc(b, '.');
	else if (is_dotted_name(s, len) && !version_len(s, len) && !is_duration(s, len))
		redact_add_dns_name(r, b, s, len);
	else
		add_words(r, b, s, len);
}

/* ---- kube-proxy's flags ---- */

void redact_add_flag(struct redact *r, struct strbuf *b, const char *flag, const char *end)
{
	const char *eq = memchr(flag, '=', (size_t)(end - flag));
	static const char *const kept[] = {
		"--bind-address", "--cluster-cidr", "--detect-local-mode", "--feature-gates", "--healthz-bind-address", "--hostname-override", "--ipvs-scheduler",
		"--iptables-localhost-nodeports", "--iptables-masquerade-bit", "--masquerade-all", "--nodeport-addresses", "--pod-bridge-interface",
		"--pod-interface-name-prefix", "--proxy-mode", "--iptables-sync-period", "--iptables-min-sync-period", "--ipvs-strict-arp", "--config",
		"--metrics-bind-address", "--kubeconfig", "--config-sync-period", "--ipvs-sync-period", "--ipvs-min-sync-period", "--ipvs-tcp-timeout",
		"--conntrack-max-per-core", "--conntrack-min", "--conntrack-tcp-be-liberal",
	};

	for (size_t i = 0; eq && i < ARRAY_LEN(kept); i++) {
		size_t n = strlen(kept[i]);
		const char *v = eq + 1;
		struct strbuf value CLEANUP(strbuf_release) = STRBUF_INIT;

		if ((size_t)(eq - flag) != n || memcmp(flag, kept[i], n) != 0)
			continue;
		strbuf_addf(b, "%s=\"", kept[i]);
		while (v < end && *v == '"')
			v++;
		while (end > v && (end[-1] == '"' || end[-1] == '\r'))
			end--;
		if (strcmp(kept[i], "--config") == 0)
			strbuf_adds(&value, end > v ? "/var/lib/kube-proxy/config.conf" : "");
		else if (strcmp(kept[i], "--kubeconfig") == 0)
			strbuf_adds(&value, end > v ? "/var/lib/kube-proxy/kubeconfig.conf" : "");
		else if (strcmp(kept[i], "--feature-gates") == 0)
			strbuf_add(&value, v, memchr(v, ' ', (size_t)(end - v)) ? 0 : (size_t)(end - v));
		else if (strstr(kept[i], "interface"))
			redact_add_link(r, &value, v, (size_t)(end - v));
		else if (strcmp(kept[i], "--hostname-override") == 0)
			redact_add_name(r, &value, v, (size_t)(end - v));
		else
			redact_add_text(r, &value, v, (size_t)(end - v));
		strbuf_addf(b, "%s\"", strbuf_str(&value));
		r->failed |= value.failed;
		return;
	}
}

/* A line that holds one, whatever stands around it: with the time of its header. False: it holds none. */
static bool add_flag_line(struct log_out *o, const struct log_parts *line, const char *s, size_t len)
{
	static const char mark[] = "FLAG: --";
	const char *at = memmem(s, len, mark, sizeof(mark) - 1);
	struct strbuf flag CLEANUP(strbuf_release) = STRBUF_INIT, plain CLEANUP(strbuf_release) = STRBUF_INIT;
	size_t head = 0; /* "I1121 07:30:59.249815     822 " */

	if (!at)
		return false;
	while (head < MIN(line->head_len, (size_t)40) && strchr("IWEF0123456789 :.", line->head[head]))
		head++;
	/* in JSON its quotes have backslashes */
	for (at += sizeof(mark) - 3; at < s + len && !(*at == '"' && plain.len > 0 && strbuf_str(&plain)[plain.len - 1] == '"'); at++)
		if (*at != '\\')
			strbuf_addc(&plain, *at);
		else if (at + 1 < s + len && at[1] == 'n')
			break;
	redact_add_flag(o->r, &flag, strbuf_str(&plain), strbuf_str(&plain) + plain.len);
	strbuf_addf(o->b, "%.*sflags.go:64] FLAG: %s", head > 20 ? (int)head : 0, line->head, flag.len > 0 ? flag.s : "--other=\"\"");
	o->r->failed |= plain.failed || flag.failed;
	return true;
}

/* ---- lines ---- */

static void add_time(struct strbuf *b, const char *time)
{
	if (strlen(time) >= 20 && time[10] == 'T')
		strbuf_addf(b, "%s ", time);
}

/* The line as it stands in the file. */
static const char *raw_line(struct log_out *o, size_t number, size_t *ret_len)
{
	const char *from = o->at;

	for (; o->lines < number && o->at < o->end; o->lines++) {
		const char *nl = memchr(o->at, '\n', (size_t)(o->end - o->at));

		from = o->at;
		*ret_len = (size_t)((nl ? nl : o->end) - from);
		o->at = nl ? nl + 1 : o->end;
	}
	return from;
}

static int on_line(void *arg, const struct log_parts *line)
{
	struct log_out *o = arg;
	const size_t before = o->lines;
	size_t len = 0;
	const char *raw = raw_line(o, line->lines, &len);

	/* a runtime cuts long lines into several */
	for (size_t i = before + 1; i < line->lines; i++)
		strbuf_addc(o->b, '\n');
	if (!line->blank) {
		add_time(o->b, line->time);
		if (add_flag_line(o, line, raw, len)) {
			strbuf_addc(o->b, '\n');
			return o->b->failed ? -ENOMEM : 0;
		}
		strbuf_add(o->b, line->head, line->head_len);
		strbuf_adds(o->b, line->n ? "" : "-");
	}
	for (size_t i = 0; i < line->n; i++) {
		if (line->v[i].open)
			add_open(o->r, o->b, line->v[i].s, line->v[i].len);
		else
			strbuf_add(o->b, line->v[i].s, line->v[i].len);
	}
	strbuf_addc(o->b, '\n');
	return o->b->failed ? -ENOMEM : 0;
}

int redact_log(struct redact *r, enum log_program program, const char *data, size_t size, struct strbuf *b)
{
	struct log_out o = { r, b, data, data + size, 0 };
	int err = r->log_words.len ? 0 : log_own_words(&r->arena, &r->log_words);

	/* that it is a journal is all that its fields say */
	if (size > 0 && *data == '{' && memmem(data, MIN(size, (size_t)16384), "\"__REALTIME_TIMESTAMP\"", 22))
		strbuf_adds(b, "-- Journal begins at -, ends at -. --\n");
	r->in_log = program != LOG_COREDNS;
	if (err == 0)
		err = log_each(program, data, size, on_line, &o);
	r->in_log = false;
	return err < 0 ? err : 1;
}
