/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pod's own account: the server of KUBERNETES_SERVICE_HOST and _PORT, and the files that the kubelet keeps fresh. As in client-go
 * (rest.InClusterConfig, inClusterClientConfig) only --token and --certificate-authority go over it, and, other than there, impersonation.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "kubeconfig-private.h"

enum { NAMESPACE_MAX = 4096 };

static const char *env_or_null(const char *name)
{
	const char *s = getenv(name);

	return s && *s ? s : NULL;
}

static const char *path_in(struct arena *arena, const char *folder, const char *name)
{
	return arena_printf(arena, "%s/%s", folder, name);
}

bool account_possible(const char *folder)
{
	struct arena arena CLEANUP(arena_release) = { 0 };
	const char *token = path_in(&arena, folder, "token");
	struct stat st;

	return env_or_null("KUBERNETES_SERVICE_HOST") && env_or_null("KUBERNETES_SERVICE_PORT") && token && stat(token, &st) == 0 &&
	       !S_ISDIR(st.st_mode);
}

const char *account_namespace(struct arena *arena, const char *folder)
{
	const char *path = path_in(arena, folder, "namespace"), *ns = env_or_null("POD_NAMESPACE"), *blank = " \t\r\n";
	struct kc_data text;
	size_t start, len;

	if (ns)
		return arena_strdup(arena, ns);
	if (!path || kubeconfig_read(arena, path, NAMESPACE_MAX, &text) < 0)
		return NULL;
	start = strspn(text.v, blank);
	len = strcspn(text.v + start, blank);
	return len > 0 ? arena_strndup(arena, text.v + start, len) : NULL;
}

/* Without a ca.crt the machine's own authorities count, as in client-go; the record says so. */
static int find_authority(struct arena *arena, const char *folder, const struct api_flags *flags, struct sd_notes *notes,
			  struct api_access *a)
{
	struct sd_notes lost CLEANUP(sd_notes_release) = { 0 };
	const char *path = path_in(arena, folder, "ca.crt"), *flag = flags->certificate_authority;
	int r;

	if (flag && *flag)
		return read_pem(arena, flag, "the certificate authority", "CERTIFICATE", notes, &a->ca);
	r = path ? read_pem(arena, path, "the account's certificate authority", "CERTIFICATE", &lost, &a->ca) : -ENOMEM;
	for (size_t i = 0; i < lost.len; i++)
		sd_note_add(notes, false, lost.v[i].code, NULL, 0, 0, NULL, "%s: the machine's own authorities count", lost.v[i].text);
	return r == -ENOMEM ? r : 0;
}

int account_access(struct arena *arena, const char *folder, const struct api_flags *flags, struct sd_notes *notes, struct api_access *ret)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
	bool brackets = strchr(host, ':') || strchr(host, '%');
	struct server_url url;
	const char *why, *server = arena_printf(arena, brackets ? "https://[%s]:%s" : "https://%s:%s", host, port);
	int r = server ? server_parse(arena, server, &url, &why) : -ENOMEM;

	if (r == SD_EPARSE) {
		sd_note_add(notes, true, "bad-server", NULL, 0, 0, NULL, "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT name no server: %s", why);
		return SD_EUSAGE;
	}
	if (r < 0)
		return r;
	ret->in_cluster = true;
	ret->source = "the in-cluster account";
	ret->server = url.url;
	ret->namespace_ = flags->namespace_ && *flags->namespace_ ? flags->namespace_ : account_namespace(arena, folder);
	if (flags->token && *flags->token)
		ret->token = flags->token;
	else if (!(ret->token_file = path_in(arena, folder, "token")))
		return -ENOMEM;
	ret->as = flags->as && *flags->as ? flags->as : NULL;
	ret->as_uid = flags->as_uid && *flags->as_uid ? flags->as_uid : NULL;
	ret->as_groups = flags->as_groups;
	ret->nas_groups = flags->nas_groups;
	ret->disable_compression = flags->disable_compression;
	return find_authority(arena, folder, flags, notes, ret);
}
