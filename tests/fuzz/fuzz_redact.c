/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as any file of a bundle that is redacted. The first byte says which file. A word that nobody but a person would write never
 * comes out, wherever it stood.
 */
#include <svcdoctor/redact.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char secret[] = "zwiebelfisch";
static const char *const paths[] = {
	"cluster/pods.json", "cluster/services.json", "cluster/configmaps.json", "cluster/version.json", "bundle.json", "cluster/pods/kube-system/p/ready.txt",
	"nodes/n/iptables-save.txt", "nodes/n/ip6tables-legacy-save.txt", "nodes/n/nft-ruleset.json", "nodes/n/ipset-save.txt", "nodes/n/ipvsadm-save.txt",
	"nodes/n/ipvsadm-ln.txt", "nodes/n/ip-addr.json", "nodes/n/ip-route.json", "nodes/n/sysctl.txt", "nodes/n/ss.txt", "nodes/n/uname.txt",
	"nodes/n/kube-proxy.log", "nodes/n/kube-proxy-configz.json", "nodes/n/kube-proxy-metrics.txt", "nodes/n/kubelet-config.json",
	"nodes/n/kube-proxy-healthz.json", "nodes/n/kube-proxy-mode.txt", "nodes/n/cni/10-zwiebelfisch.conflist", "nodes/n/resolv.conf", "nodes/n/conntrack-stats.txt",
	"cluster/pods/default/zwiebelfisch/dns.txt", "cluster/logs/kube-system/coredns-zwiebelfisch/c.log",
};

/* A word by itself: joined to others it is no longer the same. */
static bool shows(const char *s)
{
	for (const char *p = s; (p = strcasestr(p, secret)); p++) {
		char before = p > s ? p[-1] : ' ', after = p[sizeof(secret) - 1];

		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", before) &&
		    !(after && strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", after)))
			return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[16] = { 1, 2, 3 };
	struct strbuf path CLEANUP(strbuf_release) = STRBUF_INIT, out CLEANUP(strbuf_release) = STRBUF_INIT;
	struct redact *r;
	char *text;
	const char *name;

	if (size == 0 || redact_new(key, &r) < 0)
		return 0;
	name = paths[data[0] % ARRAY_LEN(paths)];
	text = malloc(size);
	if (text) {
		memcpy(text, data + 1, size - 1);
		text[size - 1] = '\0';
		if (redact_learn(r, name, text, size - 1) == 0 && redact_learned(r) == 0 && redact_file(r, name, text, size - 1, &path, &out) == 1 &&
		    (shows(strbuf_str(&out)) || shows(strbuf_str(&path))))
			abort();
	}
	free(text);
	redact_free(r);
	return 0;
}
