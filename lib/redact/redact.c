/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which file is what; learning first, replacing then. What is not of the layout, or of no reader here, is left out. */

#include <errno.h>
#include <sys/random.h>

#include "redact-private.h"

int redact_new(const uint8_t *key, struct redact **ret)
{
	struct redact *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->learning = true;
	if (key) {
		memcpy(r->key, key, sizeof(r->key));
	} else if (getrandom(r->key, sizeof(r->key), 0) != (ssize_t)sizeof(r->key)) {
		free(r);
		return -EIO;
	}
	*ret = r;
	return 0;
}

void redact_free(struct redact *r)
{
	if (!r)
		return;
	map_release(&r->words);
	map_release(&r->taken);
	map_release(&r->taken_near);
	map_release(&r->near);
	map_release(&r->names);
	map_release(&r->chains);
	map_release(&r->log_words);
	arena_release(&r->arena);
	explicit_bzero(r->key, sizeof(r->key));
	free(r);
}

/* "/FILE", "/cni/FILE": the files of the pod network have names that people choose, and are sorted by their numbers. */
static void add_node_file(struct redact *r, struct strbuf *path, const char *file)
{
	static const char folder[] = "/cni/";
	const char *name = file + sizeof(folder) - 1, *ending = strrchr(file, '.');
	size_t digits;

	if (!str_starts(file, folder) || !ending || ending < name) {
		strbuf_adds(path, file);
		return;
	}
	digits = strspn(name, "0123456789-");
	digits = MIN(digits, (size_t)(ending - name));
	strbuf_add(path, file, (size_t)(name - file) + digits);
	redact_add_name(r, path, name + digits, (size_t)(ending - name) - digits);
	strbuf_adds(path, ending);
}

/* "nodes/NODE/FILE", "nodes/NODE/cni/FILE" */
static int node_path(struct redact *r, const char *rest, const char *data, size_t size, struct strbuf *path, struct strbuf *b)
{
	const char *slash = strchr(rest, '/');
	int done;

	if (!slash || strchr(str_starts(slash, "/cni/") ? slash + 5 : slash + 1, '/'))
		return 0;
	done = redact_node_file(r, slash + 1, data, size, b);
	strbuf_adds(path, "nodes/");
	redact_learn_whole(r, rest, (size_t)(slash - rest));
	redact_add_name(r, path, rest, (size_t)(slash - rest));
	add_node_file(r, path, slash);
	return done;
}

/* "NS/POD/FILE": ready.txt is a number and what the pod says. */
static int pod_path(struct redact *r, const char *rest, const char *data, size_t size, struct strbuf *path, struct strbuf *b)
{
	const char *pod = strchr(rest, '/'), *file = pod ? strchr(pod + 1, '/') : NULL;

	if (!file || !(strcmp(file, "/ready.txt") == 0 || strcmp(file, "/resolv.conf") == 0 || strcmp(file, "/dns.txt") == 0))
		return 0;
	strbuf_adds(path, "cluster/pods/");
	redact_add_name(r, path, rest, (size_t)(pod - rest));
	strbuf_addc(path, '/');
	redact_add_name(r, path, pod + 1, (size_t)(file - pod - 1));
	strbuf_adds(path, file);
	if (strcmp(file, "/resolv.conf") == 0)
		return redact_resolv_conf(r, data, size, b);
	if (strcmp(file, "/dns.txt") == 0)
		return redact_dns_text(r, data, size, b);
	redact_add_text(r, b, data, MIN(size, (size_t)4096));
	return 1;
}

/* "NS/POD/CONTAINER.log", "NS/POD/CONTAINER.previous.log" of kube-proxy and the cluster's DNS: whose it is is told by the names that everybody's has. */
static int log_path(struct redact *r, const char *rest, const char *data, size_t size, struct strbuf *path, struct strbuf *b)
{
	static const char *const pods[] = { "coredns", "kube-dns", "node-local-dns", "nodelocaldns" };
	const char *pod = strchr(rest, '/'), *file = pod ? strchr(pod + 1, '/') : NULL, *dot = file ? strchr(file, '.') : NULL;
	bool is_dns = false, is_proxy;

	if (!dot || dot == file + 1 || strchr(file + 1, '/') || (strcmp(dot, ".log") != 0 && strcmp(dot, ".previous.log") != 0))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(pods); i++)
		is_dns |= str_starts(pod + 1, pods[i]);
	is_proxy = !is_dns && (str_starts(pod + 1, "kube-proxy") || str_starts(file + 1, "kube-proxy."));
	if (!is_dns && !is_proxy)
		return 0;
	strbuf_adds(path, "cluster/logs/");
	redact_add_name(r, path, rest, (size_t)(pod - rest));
	strbuf_addc(path, '/');
	redact_add_name(r, path, pod + 1, (size_t)(file - pod - 1));
	strbuf_addc(path, '/');
	redact_add_name(r, path, file + 1, (size_t)(dot - file - 1));
	strbuf_adds(path, dot);
	return redact_log(r, is_proxy ? LOG_KUBE_PROXY : LOG_COREDNS, data, size, b);
}

/* Files of lists have names that people choose: those of kinds stay. */
static void add_list_name(struct redact *r, struct strbuf *path, const char *name)
{
	size_t len = strcspn(name, ".");

	if (strcmp(name, "version.json") == 0 || k8s_kind_by_plural(name, len) >= 0)
		strbuf_add(path, name, len);
	else
		redact_add_name(r, path, name, len);
	name += len;
	if (str_starts(name, ".kube-system.json"))
		strbuf_adds(path, ".kube-system");
	strbuf_adds(path, ".json");
}

static int any_file(struct redact *r, const char *path, const char *data, size_t size, struct strbuf *new_path, struct strbuf *b)
{
	if (str_starts(path, "nodes/"))
		return node_path(r, path + 6, data, size, new_path, b);
	if (str_starts(path, "cluster/pods/"))
		return pod_path(r, path + 13, data, size, new_path, b);
	if (str_starts(path, "cluster/logs/"))
		return log_path(r, path + 13, data, size, new_path, b);
	if (strcmp(path, "bundle.json") == 0) {
		strbuf_adds(new_path, path);
		return redact_about(r, data, size, b);
	}
	if (str_starts(path, "cluster/") && !strchr(path + 8, '/')) {
		strbuf_adds(new_path, "cluster/");
		add_list_name(r, new_path, path + 8);
		return redact_cluster_json(r, path + 8, data, size, b);
	}
	if (!strchr(path, '/') && str_ends(path, ".json")) {
		add_list_name(r, new_path, path);
		return redact_cluster_json(r, path, data, size, b);
	}
	return 0;
}

int redact_learn(struct redact *r, const char *path, const char *data, size_t size)
{
	struct strbuf new_path CLEANUP(strbuf_release) = STRBUF_INIT, b CLEANUP(strbuf_release) = STRBUF_INIT;
	int done = any_file(r, path, data, size, &new_path, &b);

	return done < 0 || r->failed || b.failed || new_path.failed ? -ENOMEM : 0;
}

int redact_file(struct redact *r, const char *path, const char *data, size_t size, struct strbuf *ret_path, struct strbuf *ret)
{
	int done;

	r->unfit = false;
	done = any_file(r, path, data, size, ret_path, ret);
	if (done < 0 || r->failed || ret->failed || ret_path->failed)
		return -ENOMEM;
	return r->unfit ? 0 : done;
}

int redact_name(struct redact *r, const char *name, struct strbuf *ret)
{
	redact_adds_name(r, ret, name);
	return r->failed || ret->failed ? -ENOMEM : 0;
}

int redact_text(struct redact *r, const char *text, struct strbuf *ret)
{
	redact_adds_text(r, ret, text);
	return r->failed || ret->failed ? -ENOMEM : 0;
}
