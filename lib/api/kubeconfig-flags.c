/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flags as text: durations, the command line that repeats a choice; and the kubeconfigs that lie on this machine. */
#include <errno.h>
#include <pwd.h>
#include <unistd.h>

#include "kubeconfig-private.h"

/* ---- durations ---- */

static const struct {
	const char *name;
	double ms;
} units[] = {
	{ "ns", 1e-6 }, { "us", 1e-3 }, { "\xc2\xb5s", 1e-3 }, { "\xce\xbcs", 1e-3 }, { "ms", 1 }, { "s", 1e3 }, { "m", 6e4 }, { "h", 3.6e6 },
};

/* "1.5" and how far it goes; 0: no number. */
static size_t decimal(const char *s, double *ret)
{
	size_t whole = strspn(s, "0123456789"), part = s[whole] == '.' ? strspn(s + whole + 1, "0123456789") : 0;
	size_t len = whole + (s[whole] == '.') + part;
	char text[32];

	if (whole + part == 0 || len >= sizeof(text))
		return 0;
	memcpy(text, s, len);
	text[len] = '\0';
	*ret = strtod(text, NULL);
	return len;
}

static size_t unit(const char *s, double *ret)
{
	size_t best = 0;

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		size_t n = strlen(units[i].name);

		if (n > best && str_starts(s, units[i].name)) {
			best = n;
			*ret = units[i].ms;
		}
	}
	return best;
}

int parse_timeout(const char *s, int64_t *ret_ms)
{
	double total = 0, number, ms;
	uint64_t seconds;

	if (*s >= '0' && *s <= '9' && strspn(s, "0123456789") == strlen(s)) {
		if (parse_uint(s, strlen(s), INT32_MAX, &seconds) < 0)
			return SD_EPARSE;
		*ret_ms = (int64_t)seconds * 1000;
		return 0;
	}
	if (!*s)
		return SD_EPARSE;
	while (*s) {
		size_t n = decimal(s, &number), u = n ? unit(s + n, &ms) : 0;

		if (u == 0)
			return SD_EPARSE;
		total += number * ms;
		s += n + u;
	}
	if (total > (double)INT32_MAX * 1000)
		return SD_EPARSE;
	*ret_ms = total > 0 && total < 1 ? 1 : (int64_t)total; /* 0 is no limit, and so short a time is not that */
	return 0;
}

/* ---- command lines ---- */

void add_word(struct strbuf *b, const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=@%+,-";

	if (*s && strspn(s, plain) == strlen(s)) {
		strbuf_adds(b, s);
		return;
	}
	strbuf_addc(b, '\'');
	while (*s) {
		size_t n = strcspn(s, "'");

		strbuf_add(b, s, n);
		s += n;
		if (*s) {
			strbuf_adds(b, "'\\''");
			s++;
		}
	}
	strbuf_addc(b, '\'');
}

static void add_flag(struct strbuf *b, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	strbuf_addf(b, " --%s ", name);
	add_word(b, value);
}

void api_flags_text(const struct api_flags *f, struct strbuf *ret)
{
	add_flag(ret, "kubeconfig", f->kubeconfig);
	add_flag(ret, "context", f->context);
	add_flag(ret, "cluster", f->cluster);
	add_flag(ret, "user", f->user);
	add_flag(ret, "server", f->server);
	add_flag(ret, "certificate-authority", f->certificate_authority);
	add_flag(ret, "client-certificate", f->client_certificate);
	add_flag(ret, "client-key", f->client_key);
	add_flag(ret, "tls-server-name", f->tls_server_name);
	if (f->insecure_skip_tls_verify > 0)
		strbuf_adds(ret, " --insecure-skip-tls-verify");
	add_flag(ret, "as", f->as);
	add_flag(ret, "as-uid", f->as_uid);
	for (size_t i = 0; i < f->nas_groups; i++)
		add_flag(ret, "as-group", f->as_groups[i]);
}

/* ---- kubeconfigs on this machine ---- */

/* The first bytes of a kubeconfig that may be read name its clusters. */
static bool is_kubeconfig(const char *path)
{
	struct arena arena CLEANUP(arena_release) = { 0 };
	struct kc_data text;

	return access(path, R_OK) == 0 && kubeconfig_read(&arena, path, 4u << 20, &text) == 0 &&
	       memmem(text.v, text.size, "clusters", strlen("clusters"));
}

/* The kubeconfig of who called sudo, which changed HOME; "" where there is none. NULL: -ENOMEM. */
static const char *of_sudo(struct arena *arena)
{
	const char *name = getenv("SUDO_USER");
	struct passwd p, *found = NULL;
	char *buf = arena_alloc(arena, 16384);

	if (!buf)
		return NULL;
	if (!name || geteuid() != 0 || getpwnam_r(name, &p, buf, 16384, &found) != 0 || !found)
		return "";
	return arena_printf(arena, "%s/.kube/config", found->pw_dir);
}

const char *const *api_kubeconfigs_here(struct arena *arena)
{
	static const char *const known[] = {
		"/etc/kubernetes/admin.conf",			   /* kubeadm */
		"/etc/kubernetes/super-admin.conf",		   /* kubeadm from 1.29 on */
		"/etc/rancher/k3s/k3s.yaml",			   /* k3s */
		"/etc/rancher/rke2/rke2.yaml",			   /* RKE2 */
		"/var/lib/k0s/pki/admin.conf",			   /* k0s */
		"/var/snap/microk8s/current/credentials/client.config", /* MicroK8s */
		"/etc/kubernetes/static-pod-resources/kube-apiserver-certs/secrets/node-kubeconfigs/localhost.kubeconfig", /* OpenShift */
		"/root/.kube/config",
		"/etc/kubernetes/kubelet.conf", /* the node's own account: it may read Services and its own pods */
		"/var/lib/kubelet/kubeconfig",	/* the same on managed nodes */
	};
	const char **all = arena_array(arena, const char *, ARRAY_LEN(known) + 2), *sudo = of_sudo(arena);
	size_t n = 0;

	if (!all || !sudo)
		return NULL;
	if (*sudo && is_kubeconfig(sudo))
		all[n++] = sudo;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (is_kubeconfig(known[i]) && strcmp(known[i], sudo) != 0)
			all[n++] = known[i];
	}
	return all;
}
