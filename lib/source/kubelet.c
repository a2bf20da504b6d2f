/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What kubelets and pods answer by HTTP: a kubelet's configuration, and whether a pod says that it is ready. */

#include <errno.h>
#include <jansson.h>

#include <svcdoctor/source.h>

#define CONFIG_MAX (1u << 20)
#define NAMESERVERS_MAX 16
#define LINE_MAX_LEN 300

static const char *copy(struct arena *a, const char *s, int *r)
{
	char *c = s ? arena_clean(a, s) : NULL;

	if (s && !c)
		*r = -ENOMEM;
	return c;
}

static int take_servers(struct arena *a, const json_t *config, struct snap_kubelet *k)
{
	const json_t *v = json_arr(config, "clusterDNS");
	size_t n = MIN(json_array_size(v), (size_t)NAMESERVERS_MAX);
	const char **servers = arena_array(a, const char *, n + 1);
	int r = servers ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < n; i++) {
		const char *s = json_string_value(json_array_get(v, i));

		if (s && (servers[k->ncluster_dns] = copy(a, s, &r)))
			k->ncluster_dns++;
	}
	k->cluster_dns = servers;
	return r;
}

/* The kubelet's own file is YAML. */
static json_t *load(const char *data, size_t size, json_error_t *ret_error)
{
	static const struct yaml_limits limits = { CONFIG_MAX, 20000, 40 };
	struct yaml_fault fault = { 0 };
	json_t *o = NULL;

	*ret_error = (json_error_t){ .text = "it is too large" };
	if (size > CONFIG_MAX)
		return NULL;
	if (data[strspn(data, " \t\r\n")] == '{')
		return json_loadb(data, size, 0, ret_error);
	if (yaml_to_json(data, size, &limits, &o, &fault) < 0)
		*ret_error = (json_error_t){ .line = (int)fault.line, .column = (int)fault.column };
	if (!o && fault.why)
		(void)snprintf(ret_error->text, sizeof(ret_error->text), "%s", fault.why);
	return o;
}

int read_kubelet_config(struct snapshot *s, const char *node, const char *data, size_t size, const char *file)
{
	json_error_t error;
	json_t *o = load(data, size, &error);
	const json_t *inner = json_obj(o, "kubeletconfig"), *config = inner ? inner : o;
	const char *kind = json_str(o, "kind");
	struct snap_node *n = snapshot_node(s, node, true);
	struct snap_kubelet k = { 0 };
	int r = n ? 0 : -ENOMEM;

	if (!o)
		sd_note_add(&s->notes, true, "bad-json", file, error.line > 0 ? (uint32_t)error.line : 0,
			    error.column > 0 ? (uint32_t)error.column : 0, NULL, "%s", error.text);
	else if (!inner && !str_is(kind, "KubeletConfiguration") && !json_object_get(o, "clusterDNS") && !json_object_get(o, "clusterDomain"))
		sd_note_add(&s->notes, true, "bad-json", file, 1, 0, NULL, "this is no KubeletConfiguration");
	else if (r == 0) {
		r = take_servers(&s->arena, config, &k);
		k.cluster_domain = copy(&s->arena, json_str(config, "clusterDomain"), &r);
		k.hairpin_mode = copy(&s->arena, json_str(config, "hairpinMode"), &r);
		k.resolv_conf = copy(&s->arena, json_str(config, "resolvConf"), &r);
		k.runtime_endpoint = copy(&s->arena, json_str(config, "containerRuntimeEndpoint"), &r);
		k.known = r == 0;
		n->kubelet = k;
	}
	json_decref(o);
	return r;
}

/* "503", or the status line "HTTP/1.1 503 Service Unavailable"; 0: neither. */
static int status_of(const char *line, size_t len)
{
	const char *sp = len > 5 && strncmp(line, "HTTP/", 5) == 0 ? memchr(line, ' ', len) : NULL;
	const char *at = sp ? sp + 1 : line;
	size_t n = strspn(at, "0123456789");
	uint64_t v;

	return n == 3 && at + n <= line + len && parse_uint(at, n, 599, &v) == 0 && v >= 100 ? (int)v : 0;
}

int probe_add(struct snapshot *s, const char *what, const char *ns, const char *pod, int status, const char *body, size_t len)
{
	struct snap_probe p = { .status = status };
	char *line = arena_strndup(&s->arena, body, MIN(strcspn(body, "\r\n"), MIN(len, (size_t)LINE_MAX_LEN)));
	int r = line ? 0 : -ENOMEM;

	p.what = copy(&s->arena, what, &r);
	p.ns = copy(&s->arena, ns, &r);
	p.pod = copy(&s->arena, pod, &r);
	p.text = copy(&s->arena, line, &r);
	return r < 0 ? r : array_push(&s->probes, p);
}

int read_probe(struct snapshot *s, const char *what, const char *ns, const char *pod, const char *data, size_t size, const char *file)
{
	size_t first = strcspn(data, "\r\n"), skip = first + strspn(data + MIN(first, size), "\r\n");
	int status = size ? status_of(data, MIN(first, size)) : 0;

	if (!status) {
		sd_note_add(&s->notes, true, "bad-value", file, 1, 1, "its first line is the status of HTTP, the rest the answer",
			    "there is no status of an answer in it");
		return 0;
	}
	return probe_add(s, what, ns, pod, status, data + MIN(skip, size), size - MIN(skip, size));
}
