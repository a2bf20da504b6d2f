/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a node's kernel counts and holds, what kube-proxy's ports say and which processes there are. Each line goes through when it is of a form that
 * is known, with its addresses, links and names replaced; all others are left out.
 */

#include <ctype.h>

#include "redact-private.h"

#define LINE_MAX_SIZE 4096
#define WORDS_MAX 64

struct words {
	const char *v[WORDS_MAX];
	size_t len[WORDS_MAX];
	size_t n;
};

/* False: there is none, or too many. */
static bool split(const char *s, const char *end, struct words *ret)
{
	ret->n = 0;
	while (s < end && end - s < LINE_MAX_SIZE) {
		const char *from;

		while (s < end && strchr(" \t\r", *s))
			s++;
		from = s;
		while (s < end && !strchr(" \t\r", *s))
			s++;
		if (s == from)
			break;
		if (ret->n == WORDS_MAX)
			return false;
		ret->v[ret->n] = from;
		ret->len[ret->n++] = (size_t)(s - from);
	}
	return ret->n > 0;
}

static bool word_is(const struct words *w, size_t i, const char *what)
{
	return i < w->n && w->len[i] == strlen(what) && memcmp(w->v[i], what, w->len[i]) == 0;
}

static bool all_of(const char *s, size_t len, const char *chars)
{
	for (size_t i = 0; i < len; i++)
		if (!s[i] || !strchr(chars, s[i]))
			return false;
	return len > 0;
}

static bool is_number(const struct words *w, size_t i)
{
	return i < w->n && w->len[i] <= 24 && all_of(w->v[i], w->len[i], "0123456789.");
}

static bool is_hex(const struct words *w, size_t i)
{
	return i < w->n && w->len[i] <= 16 && all_of(w->v[i], w->len[i], "0123456789abcdef");
}

static void add_line(struct strbuf *b, const char *s, const char *end)
{
	while (end > s && strchr(" \t\r", end[-1]))
		end--;
	strbuf_add(b, s, (size_t)(end - s));
	strbuf_addc(b, '\n');
}

static void add_word(struct strbuf *b, const struct words *w, size_t i)
{
	strbuf_adds(b, i ? " " : "");
	strbuf_add(b, w->v[i], w->len[i]);
}

/* ---- lsmod ---- */

/* Those of the network: the others are nobody's business. */
bool redact_is_module(const char *s, size_t len)
{
	static const char *const heads[] = { "nf_", "nft_", "xt_", "ipt_", "ip6t_", "ip_vs", "ip_set", "ip_tables", "ip6_tables", "ip6table_", "iptable_", "nfnetlink", "x_tables",
					     "ebtable", "arptable", "br_netfilter", "sch_", "cls_" };
	static const char *const whole[] = { "bridge", "dummy", "geneve", "ipip", "ip_tunnel", "ip6_tunnel", "ip6_udp_tunnel", "llc", "overlay", "stp", "tunnel4", "udp_tunnel", "veth",
					     "virtio_net", "vxlan", "wireguard", "tun", "macvlan", "ipvlan", "8021q", "bonding", "sctp", NULL };

	if (!all_of(s, len, "abcdefghijklmnopqrstuvwxyz0123456789_") || len > 40)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(heads); i++)
		if (len >= strlen(heads[i]) && memcmp(s, heads[i], strlen(heads[i])) == 0)
			return true;
	return str_one_of(s, len, whole);
}

static void lsmod_line(struct redact *r, struct strbuf *b, const char *s, const char *end)
{
	struct words w;

	(void)r;
	if (!split(s, end, &w) || w.n < 3)
		return;
	if (word_is(&w, 0, "Module") && word_is(&w, 1, "Size"))
		strbuf_adds(b, "Module                  Size  Used by\n");
	else if (redact_is_module(w.v[0], w.len[0]) && is_number(&w, 1) && is_number(&w, 2))
		strbuf_addf(b, "%-19.*s %.*s %.*s\n", (int)w.len[0], w.v[0], (int)w.len[1], w.v[1], (int)w.len[2], w.v[2]);
}

/* ---- nstat ---- */

/* Names of the kernel's own: net/ipv4/proc.c, net/ipv6/proc.c. */
static void nstat_line(struct redact *r, struct strbuf *b, const char *s, const char *end)
{
	static const char *const heads[] = { "Ip", "Icmp", "Tcp", "Udp", "MPTcp" };
	struct words w;
	bool known = false;

	(void)r;
	if (!split(s, end, &w) || w.n < 2 || w.len[0] > 40 || !is_number(&w, 1))
		return;
	for (size_t i = 0; i < ARRAY_LEN(heads); i++)
		known |= w.len[0] > strlen(heads[i]) && memcmp(w.v[0], heads[i], strlen(heads[i])) == 0;
	for (size_t i = 0; i < w.len[0]; i++)
		known = known && isalnum((unsigned char)w.v[0][i]);
	if (known && (w.n == 2 || (w.n == 3 && is_number(&w, 2))))
		add_line(b, s, end);
}

/* ---- /proc/net/stat ---- */

static void lnstat_line(struct redact *r, struct strbuf *b, const char *s, const char *end)
{
	struct words w;
	bool fits;

	(void)r;
	if (!split(s, end, &w))
		return;
	fits = w.n == 3 && word_is(&w, 0, "==>") && (word_is(&w, 1, "arp_cache") || word_is(&w, 1, "ndisc_cache")) && word_is(&w, 2, "<==");
	if (!fits && word_is(&w, 0, "entries")) {
		fits = true;
		for (size_t i = 0; i < w.n; i++)
			fits = fits && w.len[i] <= 24 && all_of(w.v[i], w.len[i], "abcdefghijklmnopqrstuvwxyz_");
	} else if (!fits) {
		fits = w.n > 1;
		for (size_t i = 0; i < w.n; i++)
			fits = fits && is_hex(&w, i);
	}
	if (fits)
		add_line(b, s, end);
}

/* ---- /proc/locks, with the file's number before and names of processes behind ---- */

static void locks_line(struct redact *r, struct strbuf *b, const char *s, const char *end)
{
	static const char *const words[] = { "->", "ADVISORY", "EOF", "FLOCK", "LEASE", "MANDATORY", "OFDLCK", "POSIX", "READ", "RW", "WRITE", NULL };
	struct words w;
	bool fits = true;

	if (!split(s, end, &w))
		return;
	if (w.n == 3 && is_number(&w, 0) && is_number(&w, 1) && word_is(&w, 2, "/run/xtables.lock")) {
		add_line(b, s, end);
		return;
	}
	if (w.n == 2 && is_number(&w, 0)) {
		add_word(b, &w, 0);
		strbuf_addc(b, ' ');
		redact_add_text(r, b, w.v[1], w.len[1]);
		strbuf_addc(b, '\n');
		return;
	}
	for (size_t i = 0; i < w.n; i++)
		fits = fits && (str_one_of(w.v[i], w.len[i], words) || all_of(w.v[i], w.len[i], "0123456789abcdef:-"));
	if (fits && w.n >= 8 && w.v[0][w.len[0] - 1] == ':')
		add_line(b, s, end);
}

/* ---- xt_recent: how many clients are kept, by the chains of endpoints ---- */

static void recent_line(struct redact *r, struct strbuf *b, const char *s, const char *end)
{
	static const char limit[] = "/sys/module/xt_recent/parameters/ip_list_tot:", list[] = "/proc/net/xt_recent/", chain[] = "/proc/net/xt_recent/KUBE-SEP-";
	struct words w;

	if (!split(s, end, &w))
		return;
	if (w.n == 1 && w.len[0] > strlen(limit) && memcmp(w.v[0], limit, strlen(limit)) == 0 && all_of(w.v[0] + strlen(limit), w.len[0] - strlen(limit), "0123456789")) {
		add_line(b, s, end);
	} else if (w.n == 2 && is_number(&w, 0) && w.len[1] > strlen(chain) && memcmp(w.v[1], chain, strlen(chain)) == 0) {
		add_word(b, &w, 0);
		strbuf_addf(b, " %s", list);
		redact_add_chain(r, b, w.v[1] + strlen(list), w.len[1] - strlen(list));
		strbuf_addc(b, '\n');
	}
}

/* ---- ethtool -k ---- */

static void ethtool_line(struct redact *r, struct strbuf *b, const char *s, const char *end)
{
	struct words w;

	if (!split(s, end, &w))
		return;
	if (w.n == 3 && word_is(&w, 0, "Features") && word_is(&w, 1, "for") && w.len[2] > 1) {
		strbuf_adds(b, "Features for ");
		redact_add_link(r, b, w.v[2], w.len[2] - 1);
		strbuf_adds(b, ":\n");
	} else if (w.n >= 2 && w.len[0] > 1 && w.len[0] < 48 && w.v[0][w.len[0] - 1] == ':' && (word_is(&w, 1, "on") || word_is(&w, 1, "off")) &&
		   all_of(w.v[0], w.len[0] - 1, "abcdefghijklmnopqrstuvwxyz0123456789-_")) {
		add_word(b, &w, 0);
		add_word(b, &w, 1);
		strbuf_adds(b, word_is(&w, 2, "[fixed]") ? " [fixed]\n" : "\n");
	}
}

/* ---- ipvsadm -l --timeout; nft --version, iptables --version ---- */

static void timeout_line(struct redact *r, struct strbuf *b, const char *s, const char *end)
{
	struct words w;

	(void)r;
	if (split(s, end, &w) && w.n == 7 && word_is(&w, 0, "Timeout") && word_is(&w, 1, "(tcp") && word_is(&w, 2, "tcpfin") && word_is(&w, 3, "udp):") &&
	    is_number(&w, 4) && is_number(&w, 5) && is_number(&w, 6))
		add_line(b, s, end);
}

static void version_line(struct redact *r, struct strbuf *b, const char *s, const char *end)
{
	static const char *const tools[] = { "nftables", "iptables", NULL };
	struct words w;

	(void)r;
	if (!split(s, end, &w) || w.n < 2 || !str_one_of(w.v[0], w.len[0], tools) || w.len[1] < 2 || w.len[1] > 16 ||
	    w.v[1][0] != 'v' || !all_of(w.v[1] + 1, w.len[1] - 1, "0123456789."))
		return;
	add_word(b, &w, 0);
	add_word(b, &w, 1);
	strbuf_adds(b, word_is(&w, 2, "(nf_tables)") ? " (nf_tables)\n" : word_is(&w, 2, "(legacy)") ? " (legacy)\n" : "\n");
}

/* ---- kube-proxy's processes: of their command lines the program and the flags that its configuration is read from ---- */

static void ps_line(struct redact *r, struct strbuf *b, const char *s, const char *end)
{
	static const char *const programs[] = { "kube-proxy", "hyperkube", "k3s", "k3s-server", "k3s-agent", "kubelite", NULL };
	static const char *const arguments[] = { "proxy", "kube-proxy", "server", "agent", "--disable-kube-proxy", "--disable-kube-proxy=true", NULL };
	struct words w;
	const char *slash;

	if (!split(s, end, &w) || w.n < 3 || !is_number(&w, 0) || !(is_number(&w, 1) || word_is(&w, 1, "-")))
		return;
	slash = memrchr(w.v[2], '/', w.len[2]);
	if (slash) {
		w.len[2] -= (size_t)(slash + 1 - w.v[2]);
		w.v[2] = slash + 1;
	}
	if (!str_one_of(w.v[2], w.len[2], programs))
		return;
	strbuf_addf(b, "%.*s %.*s %.*s", (int)w.len[0], w.v[0], (int)w.len[1], w.v[1], (int)w.len[2], w.v[2]);
	for (size_t i = 3; i < w.n; i++) {
		struct strbuf flag CLEANUP(strbuf_release) = STRBUF_INIT;

		if (str_one_of(w.v[i], w.len[i], arguments)) {
			add_word(b, &w, i);
			continue;
		}
		redact_add_flag(r, &flag, w.v[i], w.v[i] + w.len[i]);
		/* a log has its values in quotes, a command line has not */
		for (size_t k = 0, first = 1; k < flag.len; k++) {
			if (first)
				strbuf_addc(b, ' ');
			first = 0;
			if (flag.s[k] != '"')
				strbuf_addc(b, flag.s[k]);
		}
		r->failed |= flag.failed;
	}
	strbuf_addc(b, '\n');
}

/* ---- how its ports answered ---- */

static void http_line(struct redact *r, struct strbuf *b, const char *s, const char *end)
{
	static const char *const ports[] = { "healthz", "livez", "proxyMode", "configz", "metrics", NULL };
	static const char *const ends[] = { "refused", "silent", "unreachable", "strange", NULL };
	struct words w;

	if (!split(s, end, &w) || w.n < 2 || !str_one_of(w.v[0], w.len[0], ports) ||
	    !(str_one_of(w.v[1], w.len[1], ends) || (w.len[1] == 3 && is_number(&w, 1))))
		return;
	add_word(b, &w, 0);
	add_word(b, &w, 1);
	if (w.n > 2) {
		strbuf_addc(b, ' ');
		redact_add_text(r, b, w.v[2], (size_t)(w.v[w.n - 1] + w.len[w.n - 1] - w.v[2]));
	}
	strbuf_addc(b, '\n');
}

/* ---- conntrack -L, and the file of /proc that is like it ---- */

static void conntrack_word(struct redact *r, struct strbuf *b, const char *s, size_t len)
{
	static const char *const words[] = { "ipv4", "ipv6", "tcp", "udp", "sctp", "icmp", "icmpv6", "dccp", "gre", "udplite", "unknown", "NONE", "SYN_SENT", "SYN_SENT2", "SYN_RECV",
					     "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "COOKIE_WAIT", "COOKIE_ECHOED", "SHUTDOWN_SENT", "SHUTDOWN_RECD",
					     "SHUTDOWN_ACK_SENT", "HEARTBEAT_SENT", "CLOSED", "[UNREPLIED]", "[ASSURED]", "[OFFLOAD]", "[HW_OFFLOAD]", NULL };
	static const char *const keys[] = { "sport", "dport", "type", "code", "id", "packets", "bytes", "mark", "use", "zone", "zone-orig", "zone-reply", "timeout",
					    "srckey", "dstkey", NULL };
	const char *eq = memchr(s, '=', len);
	const size_t key = eq ? (size_t)(eq - s) : 0, value = eq ? len - key - 1 : 0;

	if (eq && key == 3 && (memcmp(s, "src", 3) == 0 || memcmp(s, "dst", 3) == 0)) {
		strbuf_add(b, s, key + 1);
		if (!redact_add_address(r, b, eq + 1, value))
			strbuf_addc(b, '-');
	} else if (eq ? str_one_of(s, key, keys) && all_of(eq + 1, value, "0123456789abcdefx") : str_one_of(s, len, words) || all_of(s, len, "0123456789")) {
		strbuf_add(b, s, len);
	} else {
		return;
	}
	strbuf_addc(b, ' ');
}

static void conntrack_line(struct redact *r, struct strbuf *b, const char *s, const char *end)
{
	const size_t before = b->len;
	struct words w;

	if (!split(s, end, &w) || w.n < 4)
		return;
	for (size_t i = 0; i < w.n; i++)
		conntrack_word(r, b, w.v[i], w.len[i]);
	if (b->len > before)
		b->s[b->len - 1] = '\n';
}

/* ---- metrics of kube-proxy ---- */

/* A name of the metrics that are read (lib/source/proxy-metrics.c), with what histograms put behind it. */
static bool is_metric(const char *s, size_t len)
{
	static const char *const names[] = {
		"kubeproxy_sync_proxy_rules_", "kubeproxy_sync_full_proxy_rules_duration_seconds", "kubeproxy_sync_partial_proxy_rules_duration_seconds",
		"kubeproxy_network_programming_duration_seconds", "kubeproxy_iptables_ct_state_invalid_dropped_packets_total", "process_start_time_seconds",
		"rest_client_requests_total", "kubernetes_build_info",
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (len >= strlen(names[i]) && len < 100 && memcmp(s, names[i], strlen(names[i])) == 0 && all_of(s, len, "abcdefghijklmnopqrstuvwxyz_"))
			return true;
	return false;
}

/* "code="200"": labels that are read, whose values nobody has chosen. */
static void add_label(struct redact *r, struct strbuf *b, const char *key, size_t key_len, const char *v, size_t len, bool *any)
{
	static const char *const keys[] = { "ip_family", "table", "code", "method", "le", NULL };
	static const char *const words[] = { "IPv4", "IPv6", "nat", "filter", "mangle", "raw", "+Inf", "<error>", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", NULL };
	static const char git[] = "git_version";

	(void)r;
	if (len > 32)
		return;
	if (str_one_of(key, key_len, keys) ? !(str_one_of(v, len, words) || all_of(v, len, "0123456789.e+-")) :
					     !(key_len == sizeof(git) - 1 && memcmp(key, git, key_len) == 0 && len > 1 && *v == 'v' && isdigit((unsigned char)v[1])))
		return;
	if (key_len == sizeof(git) - 1) /* of somebody's own build the number */
		for (size_t i = 1; i < len; i++)
			if (!isdigit((unsigned char)v[i]) && v[i] != '.')
				len = i;
	strbuf_addf(b, "%s%.*s=\"%.*s\"", *any ? "," : "{", (int)key_len, key, (int)len, v);
	*any = true;
}

static void add_labels(struct redact *r, struct strbuf *b, const char *at, const char *end)
{
	bool any = false;

	while (at < end && *at != '}') {
		const char *eq = memchr(at, '=', (size_t)(end - at)), *quote = eq && eq + 1 < end && eq[1] == '"' ? memchr(eq + 2, '"', (size_t)(end - eq - 2)) : NULL;

		if (!quote)
			break;
		add_label(r, b, at, (size_t)(eq - at), eq + 2, (size_t)(quote - eq - 2), &any);
		at = quote + 1 + (quote + 1 < end && quote[1] == ',');
	}
	strbuf_adds(b, any ? "}" : "");
}

static void metric_line(struct redact *r, struct strbuf *b, const char *s, const char *end)
{
	const char *name = s, *value = memrchr(s, ' ', (size_t)(end - s)), *brace;

	while (name < end && *name != '{' && *name != ' ')
		name++;
	if (!value || end - s > LINE_MAX_SIZE || !is_metric(s, (size_t)(name - s)) || !all_of(value + 1, (size_t)(end - value - 1), "0123456789.e+-InfNa\r"))
		return;
	strbuf_add(b, s, (size_t)(name - s));
	brace = *name == '{' ? name + 1 : NULL;
	if (brace && brace < value)
		add_labels(r, b, brace, value);
	add_line(b, value, end);
}

static int metrics_file(struct redact *r, const char *data, size_t size, struct strbuf *b)
{
	strbuf_adds(b, "# of kube-proxy\nkubeproxy_redacted 1\n");
	return redact_each_line(r, data, size, b, metric_line);
}

/* ---- all of them ---- */

int redact_node_more(struct redact *r, const char *name, const char *data, size_t size, struct strbuf *b)
{
	static const struct {
		const char *name;
		redact_line_fn *line;
	} files[] = {
		{ "lsmod.txt", lsmod_line },	 { "nstat.txt", nstat_line },	     { "lnstat.txt", lnstat_line },
		{ "locks.txt", locks_line },	 { "ethtool.txt", ethtool_line },    { "ipvsadm-timeout.txt", timeout_line },
		{ "versions.txt", version_line }, { "ps.txt", ps_line },	     { "kube-proxy-http.txt", http_line },
		{ "conntrack.txt", conntrack_line }, { "xt-recent.txt", recent_line },
	};

	if (strcmp(name, "kube-proxy-metrics.txt") == 0)
		return metrics_file(r, data, size, b);
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (strcmp(files[i].name, name) == 0)
			return redact_each_line(r, data, size, b, files[i].line);
	return 0;
}
