/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Corefile: plugins and their options, numbers and braces stay where they are; all else is a name or an address. */

#include <ctype.h>

#include "redact-private.h"

/* Plugins of CoreDNS up to 1.12 with their options, and the words that these take. */
static const char *const corefile_words[] = {
	"A", "AAAA", "ANY", "CNAME", "HINFO", "IN", "MX", "NOERROR", "NS", "NXDOMAIN", "PTR", "REFUSED", "SERVFAIL", "SOA", "SRV", "TXT", "acl", "additional", "address", "all",
	"allow", "answer", "any", "auto", "autopath", "authority", "bind", "block", "bufsize", "cache", "cancel", "chaos", "class", "consolidate", "continue", "debug", "denial",
	"disable", "disabled", "dns64", "dnssec", "dnstap", "drop", "edns0", "empty_service", "endpoint", "endpoint_pod_names", "erratic", "error", "errors", "etcd", "exact",
	"except", "expire", "fallthrough", "federation", "file", "filter", "force_tcp", "forward", "from", "grpc", "header", "health", "health_check", "hosts", "ignore",
	"import", "insecure", "interface", "k8s_external", "keepttl", "kubeconfig", "kubernetes", "labels", "lameduck", "loadbalance", "local", "log", "loop", "max_concurrent",
	"max_fails", "metadata", "minimal", "multisocket", "name", "namespace_labels", "namespaces", "net", "no_rec", "no_reverse", "noendpoints", "nomad", "nsid", "on",
	"pods", "policy", "pprof", "prefer_udp", "prefetch", "prefix", "prometheus", "proxy", "random", "rcode", "ready", "regex", "reload", "resyncperiod", "rewrite", "root",
	"round_robin", "secondary", "sequential", "serve_stale", "servfail", "servfail_ttl", "sign", "stacktrace", "stop", "substring", "success", "suffix", "template",
	"timeouts", "tls", "tls_servername", "to", "trace", "transfer", "transfer", "tsig", "ttl", "type", "upstream", "value", "verified", "view", "warning", "whoami", "zones",
};
static const char *const corefile_kept[] = {
	".", "{", "}", "in-addr.arpa", "ip6.arpa", "/etc/resolv.conf", "/run/systemd/resolve/resolv.conf", "/etc/coredns/Corefile", "/etc/kubernetes/zones",
	"__PILLAR__CLUSTER__DNS__", "__PILLAR__DNS__DOMAIN__", "__PILLAR__DNS__SERVER__", "__PILLAR__LOCAL__DNS__", "__PILLAR__UPSTREAM__SERVERS__", NULL
};

static bool is_number(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && (isdigit((unsigned char)s[n]) || s[n] == '.' || s[n] == '%'))
		n++;
	return n > 0 && isdigit((unsigned char)*s) && n <= 7 && len - n <= 2 && !memchr(s, '.', n);
}

static bool is_word(const char *s, size_t len)
{
	if (str_one_of(s, len, corefile_kept) || is_number(s, len))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(corefile_words); i++)
		if (strlen(corefile_words[i]) == len && memcmp(corefile_words[i], s, len) == 0)
			return true;
	return false;
}

/* ":53" at its end, of a zone or an address; 0: none. */
static size_t port_len(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && n < 6 && isdigit((unsigned char)s[len - 1 - n]))
		n++;
	return n > 0 && n < len && s[len - 1 - n] == ':' ? n + 1 : 0;
}

static void add_corefile_word(struct redact *r, struct strbuf *b, const char *s, size_t len)
{
	static const char *const schemes[] = { "dns://", "tls://", "grpc://", "https://" };
	size_t port;

	if (is_word(s, len)) {
		strbuf_add(b, s, len);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		size_t n = strlen(schemes[i]);

		if (len > n && memcmp(s, schemes[i], n) == 0) {
			strbuf_adds(b, schemes[i]);
			s += n;
			len -= n;
			break;
		}
	}
	if (redact_add_address(r, b, s, len))
		return;
	port = port_len(s, len);
	if (port == len) {
		strbuf_add(b, s, len);
	} else if (!redact_add_address(r, b, s, len - port)) {
		if (str_one_of(s, len - port, corefile_kept))
			strbuf_add(b, s, len - port);
		else if (*s == '/' || *s == '"' || *s == '`' || *s == '[')
			redact_add_text(r, b, s, len - port);
		else
			redact_add_dns_name(r, b, s, len - port);
		strbuf_add(b, s + len - port, port);
	} else {
		strbuf_add(b, s + len - port, port);
	}
}

void redact_corefile(struct redact *r, struct strbuf *b, const char *s)
{
	while (*s) {
		size_t n = strspn(s, " \t\r\n");

		strbuf_add(b, s, n);
		s += n;
		n = strcspn(s, *s == '#' ? "\n" : " \t\r\n");
		/* a remark is left out, and with it what follows it on the line */
		if (n > 0 && *s == '#')
			strbuf_addc(b, '#');
		else if (n > 0)
			add_corefile_word(r, b, s, n);
		s += n;
	}
}
