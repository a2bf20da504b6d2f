/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `collect` asks for beside lists: the version, ConfigMaps by name, the logs of kube-proxy and of the cluster's DNS, and, where the
 * API server lets it through, the configuration of kubelets and the health of kube-proxy.
 */

#include <errno.h>
#include <jansson.h>

#include "collect-private.h"
#include "proxy-private.h"

#define LOG_MAX (8u << 20)  /* bytes of one log, which its end must fit into */
#define LOG_LINES "5000"
#define LOGS_MAX 100	    /* containers: every node has a kube-proxy */
#define NODES_MAX 100	    /* that are asked */
#define ANSWER_MAX (1u << 20) /* of a kubelet or kube-proxy */
#define PROXY_TIMEOUT_MS 5000
#define HEALTHZ_PORT "10256"
#define READY_PORT "8181" /* of CoreDNS's plugin ready */

const char *const collect_configmap_names[] = { "kube-proxy", "coredns", "kube-dns", "node-local-dns", "cilium-config", "antrea-config", NULL };

/* One GET whose answer is written as it is. */
struct get_job {
	struct collect *c;
	const char *path; /* of the member */
	const char *what; /* for the report; NULL: nobody misses it */
	bool is_log;
	const char *node; /* whose kube-proxy this is */
};

/* ---- version ---- */

static int on_version(void *arg, const struct api_result *r, char *data, size_t size)
{
	struct collect *c = arg;
	/* Everybody may ask it: it is no answer about the cluster. */
	int err = r->outcome == API_OK ? 0 : collect_note(c, r, "version", false);
	json_t *o = err == 0 && data ? json_loadb(data, size, 0, NULL) : NULL;
	const char *version = json_str(o, "gitVersion");

	if (version) {
		c->report->version = arena_clean(c->arena, version);
		err = c->report->version ? bundle_out_add(c->out, "cluster/version.json", data, size) : -ENOMEM;
	}
	json_decref(o);
	free(data);
	return err;
}

int collect_version(struct collect *c)
{
	return api_get(c->api, &(struct api_get){ .what = { .verb = "get" }, .path = "/version", .done = on_version, .arg = c });
}

/* ---- ConfigMaps ---- */

static int on_configmap(void *arg, const struct api_result *r, char *data, size_t size)
{
	struct collect *c = arg;
	int err = r->outcome == API_NOT_FOUND ? 0 : collect_note(c, r, "configmaps", false);

	if (data && err == 0) {
		while (size > 0 && strchr(" \t\r\n", data[size - 1]))
			size--;
		strbuf_adds(&c->configmaps, c->nconfigmaps++ ? "," : "");
		strbuf_add(&c->configmaps, data, size);
	}
	free(data);
	if (--c->configmaps_open > 0 || err < 0 || c->nconfigmaps == 0)
		return err;
	c->report->objects += c->nconfigmaps;
	strbuf_adds(&c->configmaps, "]}\n");
	return c->configmaps.failed ? -ENOMEM : bundle_out_add(c->out, "cluster/configmaps.json", c->configmaps.s, c->configmaps.len);
}

int collect_configmaps(struct collect *c)
{
	strbuf_adds(&c->configmaps, "{\"kind\":\"ConfigMapList\",\"apiVersion\":\"v1\",\"metadata\":{},\"items\":[");
	for (size_t i = 0; collect_configmap_names[i]; i++) {
		struct strbuf path CLEANUP(strbuf_release) = STRBUF_INIT;
		int r;

		strbuf_adds(&path, "/api/v1/namespaces/" COLLECT_SYSTEM "/configmaps");
		api_path_add(&path, collect_configmap_names[i]);
		r = path.failed ? -ENOMEM
				: api_get(c->api, &(struct api_get){
							  .what = { "get", "", "configmaps", COLLECT_SYSTEM, collect_configmap_names[i] },
							  .path = path.s,
							  .done = on_configmap,
							  .arg = c,
						  });
		if (r < 0)
			return r;
		c->configmaps_open++;
	}
	return 0;
}

/* ---- logs ---- */

static int on_answer(void *arg, const struct api_result *r, char *data, size_t size)
{
	struct get_job *j = arg;
	int err = 0;

	if (j->what || r->outcome == API_OK)
		err = collect_note(j->c, r, j->what, false);
	if (data && err == 0 && r->outcome == API_OK) {
		err = bundle_out_add(j->c->out, j->path, data, size);
		j->c->report->logs += err == 0 && j->is_log;
	}
	free(data);
	return err;
}

static int ask_log(struct collect *c, const char *pod, const char *container, bool previous)
{
	struct strbuf path CLEANUP(strbuf_release) = STRBUF_INIT;
	struct get_job *j = arena_new(c->arena, struct get_job);

	if (!j)
		return -ENOMEM;
	*j = (struct get_job){
		.c = c,
		.path = arena_printf(c->arena, "cluster/logs/" COLLECT_SYSTEM "/%s/%s%s.log", pod, container, previous ? ".previous" : ""),
		.what = previous ? NULL : "pods/log",
		.is_log = true,
	};
	strbuf_adds(&path, "/api/v1/namespaces/" COLLECT_SYSTEM "/pods");
	api_path_add(&path, pod);
	api_path_add(&path, "log");
	api_query_add(&path, "container", container);
	if (previous)
		api_query_add(&path, "previous", "true");
	api_query_add(&path, "tailLines", LOG_LINES);
	if (!j->path || path.failed)
		return -ENOMEM;
	return api_get(c->api, &(struct api_get){
				       .what = { "get", "", "pods/log", COLLECT_SYSTEM, pod },
				       .path = path.s,
				       .accept = "text/plain, */*",
				       .body_max = LOG_MAX,
				       .may_cut = true,
				       .once = previous,
				       .done = on_answer,
				       .arg = j,
			       });
}

static int64_t restarts_of(const json_t *pod, const char *container)
{
	const json_t *all = json_arr(json_obj(pod, "status"), "containerStatuses"), *one;
	int64_t n = 0;
	size_t i;

	json_array_foreach(all, i, one) {
		if (str_is(json_str(one, "name"), container))
			(void)json_int(one, "restartCount", &n);
	}
	return n;
}

/* CoreDNS's own word on whether it is ready; a status other than 200 is an answer too. */
static int on_ready(void *arg, const struct api_result *r, char *data, size_t size)
{
	struct get_job *j = arg;
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	int err = r->outcome == API_FORBIDDEN ? collect_note(j->c, r, "pods/proxy", false) : 0;

	strbuf_addf(&b, "%ld\n", r->status);
	if (data)
		strbuf_add(&b, data, size);
	free(data);
	if (r->outcome != API_OK && r->status != 503)
		return err;
	return b.failed ? -ENOMEM : bundle_out_add(j->c->out, j->path, b.s, b.len);
}

static int ask_ready(struct collect *c, const char *pod)
{
	struct strbuf path CLEANUP(strbuf_release) = STRBUF_INIT;
	struct get_job *j = arena_new(c->arena, struct get_job);
	const char *target = arena_printf(c->arena, "%s:" READY_PORT, pod);

	if (!j || !target)
		return -ENOMEM;
	*j = (struct get_job){ .c = c, .path = arena_printf(c->arena, "cluster/pods/" COLLECT_SYSTEM "/%s/ready.txt", pod) };
	strbuf_adds(&path, "/api/v1/namespaces/" COLLECT_SYSTEM "/pods");
	api_path_add(&path, target);
	strbuf_adds(&path, "/proxy/ready");
	if (!j->path || path.failed)
		return -ENOMEM;
	return api_get(c->api, &(struct api_get){
				       .what = { "get", "", "pods/proxy", COLLECT_SYSTEM, pod },
				       .path = path.s,
				       .accept = "text/plain, */*",
				       .body_max = ANSWER_MAX,
				       .once = true,
				       .timeout_ms = PROXY_TIMEOUT_MS,
				       .done = on_ready,
				       .arg = j,
			       });
}

struct pods_job {
	struct collect *c;
	size_t logs;
	bool dns;
};

static int on_pod(void *arg, struct json_t *item, const char *kind, const char *api_version, uint32_t line)
{
	struct pods_job *j = arg;
	const char *pod = json_str(json_obj(item, "metadata"), "name");
	const json_t *containers = json_arr(json_obj(item, "spec"), "containers"), *one;
	size_t i;
	int r = 0;

	(void)kind;
	(void)api_version;
	(void)line;
	if (j->dns && pod && is_k8s_name(pod))
		r = ask_ready(j->c, pod);
	json_array_foreach(containers, i, one) {
		const char *name = json_str(one, "name");

		if (r < 0 || !pod || !name || !is_k8s_name(pod) || !is_k8s_name(name) || j->logs++ >= LOGS_MAX)
			continue;
		r = ask_log(j->c, pod, name, false);
		if (r == 0 && restarts_of(item, name) > 0)
			r = ask_log(j->c, pod, name, true);
	}
	return r;
}

static int on_pods(void *arg, char *data, size_t size, bool restart)
{
	struct sd_notes notes CLEANUP(sd_notes_release) = { 0 };
	struct pods_job *j = arg;
	ssize_t r = restart ? 0 : json_each_item(data, size, "pods", &notes, on_pod, j);

	free(data);
	return r == -ENOMEM ? -ENOMEM : 0;
}

/* That pods cannot be listed is said where all of them are. */
static int on_pods_end(void *arg, const struct api_result *r)
{
	(void)arg;
	(void)r;
	return 0;
}

int collect_system_pods(struct collect *c)
{
	static const char *const selectors[] = { "k8s-app=kube-dns", "k8s-app=kube-proxy", "component=kube-proxy" };

	for (size_t i = 0; i < ARRAY_LEN(selectors); i++) {
		struct strbuf path CLEANUP(strbuf_release) = STRBUF_INIT;
		struct pods_job *j = arena_new(c->arena, struct pods_job);
		int r;

		strbuf_adds(&path, "/api/v1/namespaces/" COLLECT_SYSTEM "/pods");
		api_query_add(&path, "labelSelector", selectors[i]);
		if (!j || path.failed)
			return -ENOMEM;
		*j = (struct pods_job){ .c = c, .dns = i == 0 };
		r = api_list(c->api, &(struct api_list){
					     .what = { "list", "", "pods", COLLECT_SYSTEM, NULL },
					     .path = path.s,
					     .page = on_pods,
					     .end = on_pods_end,
					     .arg = j,
				     });
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- nodes: tried with one, because whoever may not ask it may ask none ---- */

static int ask_node(struct collect *c, const char *node, const char *port, const char *file, const char *rest, api_get_fn done)
{
	struct strbuf path CLEANUP(strbuf_release) = STRBUF_INIT;
	struct get_job *j = arena_new(c->arena, struct get_job);
	const char *target = arena_printf(c->arena, "%s%s", node, port);

	if (!j || !target)
		return -ENOMEM;
	*j = (struct get_job){ .c = c, .path = arena_printf(c->arena, "nodes/%s/%s", node, file), .node = node };
	strbuf_adds(&path, "/api/v1/nodes");
	api_path_add(&path, target);
	strbuf_adds(&path, "/proxy/");
	strbuf_adds(&path, rest);
	if (!j->path || path.failed)
		return -ENOMEM;
	return api_get(c->api, &(struct api_get){
				       .what = { "get", "", "nodes/proxy", NULL, node },
				       .path = path.s,
				       .body_max = ANSWER_MAX,
				       .accept = *port ? "*/*" : NULL,
				       .once = true,
				       .failed_body = *port,
				       .timeout_ms = PROXY_TIMEOUT_MS,
				       .done = done,
				       .arg = j,
			       });
}

/* A health port's own answer, well or ill; the API server's 503 has another body. */
static bool is_health(const struct api_result *r, enum snap_proxy_port port, char *data, size_t size)
{
	struct strbuf b = { .s = data, .len = size, .cap = size + 1 };

	return data && (r->outcome == API_OK || r->status == 503) && proxy_is_answer(port, &b);
}

static int write_ends(const struct get_job *j, int healthz, int livez)
{
	struct strbuf path CLEANUP(strbuf_release) = STRBUF_INIT, lines CLEANUP(strbuf_release) = STRBUF_INIT;

	strbuf_addf(&path, "nodes/%s/kube-proxy-http.txt", j->node);
	proxy_http_line(&lines, PROXY_HEALTHZ, PORT_ANSWERED, healthz, NULL);
	if (livez)
		proxy_http_line(&lines, PROXY_LIVEZ, PORT_ANSWERED, livez, NULL);
	return path.failed || lines.failed ? -ENOMEM : bundle_out_add(j->c->out, path.s, lines.s, lines.len);
}

/* /healthz was 503. */
static int on_livez(void *arg, const struct api_result *r, char *data, size_t size)
{
	struct get_job *j = arg;
	const bool is = is_health(r, PROXY_LIVEZ, data, size);
	int err = write_ends(j, 503, is ? (int)r->status : 0);

	if (is && err == 0)
		err = bundle_out_add(j->c->out, j->path, data, size);
	free(data);
	return err;
}

static int on_healthz(void *arg, const struct api_result *r, char *data, size_t size)
{
	struct get_job *j = arg;
	int err = r->outcome == API_OK ? collect_note(j->c, r, j->what, false) : 0;

	if (err == 0 && is_health(r, PROXY_HEALTHZ, data, size)) {
		err = bundle_out_add(j->c->out, j->path, data, size);
		if (err == 0 && r->outcome == API_OK)
			err = write_ends(j, 200, 0);
		else if (err == 0)
			err = ask_node(j->c, j->node, ":" HEALTHZ_PORT, "kube-proxy-livez.json", "livez", on_livez);
	}
	free(data);
	return err;
}

static int ask_rest(struct collect *c)
{
	int r = 0;

	for (; r == 0 && c->nodes_done < MIN(c->nodes.len, (size_t)NODES_MAX); c->nodes_done++) {
		const char *name = c->nodes.v[c->nodes_done];

		if (c->nodes_done > 0) /* the first one was the try */
			r = ask_node(c, name, "", "kubelet-config.json", "configz", on_answer);
		if (r == 0)
			r = ask_node(c, name, ":" HEALTHZ_PORT, "kube-proxy-healthz.json", "healthz", on_healthz);
	}
	return r;
}

static int on_first(void *arg, const struct api_result *r, char *data, size_t size)
{
	struct get_job *j = arg;
	struct collect *c = j->c;
	int err;

	if (r->outcome == API_FORBIDDEN) {
		free(data);
		return collect_note(c, r, "nodes/proxy", false);
	}
	err = on_answer(arg, r, data, size);
	c->nodes_allowed = true;
	return err < 0 ? err : ask_rest(c);
}

int collect_node(struct collect *c, const char *name)
{
	const char *copy = arena_strdup(c->arena, name);

	if (!copy || array_push(&c->nodes, copy) < 0)
		return -ENOMEM;
	if (c->nodes.len == 1)
		return ask_node(c, copy, "", "kubelet-config.json", "configz", on_first);
	return c->nodes_allowed ? ask_rest(c) : 0;
}
