/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a bundle's member is, by its path, and where its contents go. */

#include <errno.h>
#include <jansson.h>

#include "bundle-private.h"
#include "log-private.h"

#define BUNDLE_SCHEMA "svcdoctor.bundle/1"
#define NODE_NAME_MAX 253

void member_release(struct member *m)
{
	free(m->path);
	free(m->node);
	free(m->ns);
	free(m->pod);
	free(m->container);
	*m = (struct member){ 0 };
}

/* The path behind the folder @dir, or NULL when it does not lie in it. */
static const char *inside(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/' ? path + len + 1 : NULL;
}

static int set_node(struct member *m, const char *node, size_t len, const char *file_name)
{
	m->file = node_file_find(file_name);
	if (!m->file || len == 0 || len > NODE_NAME_MAX)
		return 0;
	m->node = strndup(node, len);
	if (!m->node)
		return -ENOMEM;
	m->role = MEMBER_NODE;
	return 0;
}

/*
 * A file beside the folders. In an archive that is one folder, a bundle of one node has the name of that
 * folder.
 */
static int classify_top(const struct bundle *b, const char *name, bool in_prefix, struct member *m)
{
	const char *node = in_prefix ? b->prefix : b->node_name;
	int r = 0;

	if (strcmp(name, "bundle.json") == 0)
		m->role = MEMBER_ABOUT;
	else if (node_file_find(name))
		r = set_node(m, node, strlen(node), name);
	else if (strcmp(name, "version.json") == 0)
		m->role = MEMBER_CLUSTER;
	else if (str_ends(name, ".json"))
		m->role = MEMBER_TOP;
	return r;
}

/* "NS/POD/FILE" */
static bool is_kept_of_pod(const char *rest, const char *ending)
{
	const char *a = strchr(rest, '/'), *b = a ? strchr(a + 1, '/') : NULL;

	return b && a > rest && b > a + 1 && b[1] && !strchr(b + 1, '/') && str_ends(b, ending);
}

/* Files that commands print and that this version does not read. */
static bool is_kept(const char *rel)
{
	const char *rest = inside(rel, "cluster/logs");

	return rest && is_kept_of_pod(rest, ".log");
}

/* NS/POD/FILE: the file. NULL: it is none; *@ret_err: -ENOMEM or 0. */
static const char *split_pod(const char *rest, struct member *m, int *ret_err)
{
	const char *pod = strchr(rest, '/'), *file = pod ? strchr(pod + 1, '/') : NULL;

	*ret_err = 0;
	if (!file || strchr(file + 1, '/'))
		return NULL;
	m->ns = strndup(rest, (size_t)(pod - rest));
	m->pod = strndup(pod + 1, (size_t)(file - pod - 1));
	*ret_err = m->ns && m->pod ? 0 : -ENOMEM;
	return *ret_err == 0 && is_k8s_name(m->ns) && is_k8s_name(m->pod) ? file + 1 : NULL;
}

static int classify_pod(const char *rest, struct member *m)
{
	static const char *const files[] = { "ready.txt", "resolv.conf", "dns.txt", NULL };
	int r;
	const char *file = split_pod(rest, m, &r);

	if (file && str_one_of(file, strlen(file), files))
		m->role = MEMBER_POD;
	return r;
}

/* "coredns.log", "coredns.previous.log": the container's name is before the dot, and has none */
static size_t container_len(const char *file, bool *ret_previous)
{
	const char *dot = strchr(file, '.');

	*ret_previous = dot && strcmp(dot, ".previous.log") == 0;
	return dot && (*ret_previous || strcmp(dot, ".log") == 0) && dot - file <= 63 ? (size_t)(dot - file) : 0;
}

static int classify_log(const char *rest, struct member *m)
{
	enum log_program program;
	bool previous;
	int r;
	const char *file = split_pod(rest, m, &r);
	size_t len = file ? container_len(file, &previous) : 0;

	if (!len)
		return r;
	m->container = strndup(file, len);
	if (!m->container)
		return -ENOMEM;
	if (log_program_of(m->pod, m->container, &program))
		m->role = MEMBER_LOG;
	return r;
}

/* FILE, or cni/FILE */
static bool is_node_path(const char *path)
{
	return !strchr(str_starts(path, "cni/") ? path + 4 : path, '/');
}

static int classify(const struct bundle *b, const char *path, struct member *m)
{
	const char *in_prefix = b->prefix ? inside(path, b->prefix) : NULL;
	const char *rel = in_prefix ? in_prefix : path, *rest, *slash;

	if (b->each && is_kept(rel)) {
		m->role = MEMBER_KEPT;
		return 0;
	}
	if ((rest = inside(rel, "cluster/pods")))
		return classify_pod(rest, m);
	if ((rest = inside(rel, "cluster/logs")))
		return classify_log(rest, m);
	if ((rest = inside(rel, "cluster"))) {
		if (!strchr(rest, '/') && str_ends(rest, ".json"))
			m->role = MEMBER_CLUSTER;
		return 0;
	}
	if ((rest = inside(rel, "nodes"))) {
		slash = strchr(rest, '/');
		return slash && is_node_path(slash + 1) ? set_node(m, rest, (size_t)(slash - rest), slash + 1) : 0;
	}
	return is_node_path(rel) ? classify_top(b, rel, in_prefix, m) : 0;
}

int bundle_classify(const struct bundle *b, const char *path, struct member *ret)
{
	struct member m = { .path = strdup(path) };
	const char *slash;
	int r;

	if (!m.path)
		return -ENOMEM;
	slash = strrchr(m.path, '/');
	m.name = slash ? slash + 1 : m.path;
	r = classify(b, m.path, &m);
	/* "cni/10-lab.conflist" */
	if (r == 0 && m.role == MEMBER_NODE && slash && slash - m.path >= 3 && memcmp(slash - 3, "cni", 3) == 0)
		m.name = slash - 3;
	if (r < 0)
		member_release(&m);
	else
		*ret = m;
	return r;
}

bool bundle_count(struct bundle *b)
{
	if (++b->members <= SOURCE_MEMBERS_MAX)
		return true;
	if (!b->full)
		sd_note_add(&b->s->notes, true, "too-large", b->label, 0, 0, NULL,
			    "the bundle has more than %u members; the rest is not read", SOURCE_MEMBERS_MAX);
	b->full = true;
	return false;
}

bool bundle_admit(struct bundle *b, const char *path, uint64_t size)
{
	if (size > SOURCE_FILE_MAX) {
		sd_note_add(&b->s->notes, true, "too-large", path, 0, 0, NULL,
			    "the file is larger than %u MiB and is not read", SOURCE_FILE_MAX >> 20);
		return false;
	}
	if (size > SOURCE_TOTAL_MAX - b->total) {
		sd_note_add(&b->s->notes, true, "too-large", path, 0, 0, NULL,
			    "the bundle holds more than %llu MiB; this file is not read",
			    SOURCE_TOTAL_MAX >> 20);
		return false;
	}
	return true;
}

/* Of a kind that is not there as a whole: {"services": ["shop", "kube-system"]}. */
static void read_extents(struct bundle *b, const json_t *o)
{
	const char *plural;
	json_t *namespaces, *ns;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)o, plural, namespaces) {
		int k = k8s_kind_by_plural(plural, strlen(plural));
		struct snap_extent *e = k >= 0 ? &b->s->extents[k] : NULL;

		if (!e || !json_is_array(namespaces))
			continue;
		e->limited = true;
		json_array_foreach(namespaces, i, ns) {
			char *name = json_is_string(ns) ? arena_strdup(&b->s->arena, json_string_value(ns)) : NULL;

			if (name && array_push(&e->namespaces, name) < 0)
				return;
		}
	}
}

/* A schema of a later version may mean other things by the same names: said, and read all the same. */
static void read_about(struct bundle *b, const struct member *m, const char *data, size_t size)
{
	json_t *o = size <= (1u << 20) ? json_loadb(data, size, 0, NULL) : NULL;
	const char *schema = json_str(o, "schema");

	if (!o)
		sd_note_add(&b->s->notes, false, "bad-json", m->path, 0, 0, NULL, "this is no valid JSON");
	else if (schema && strcmp(schema, BUNDLE_SCHEMA) != 0)
		sd_note_add(&b->s->notes, false, "schema", m->path, 0, 0, NULL,
			    "the bundle has the schema '%.64s', this program knows '%s'", schema,
			    BUNDLE_SCHEMA);
	read_extents(b, json_obj(o, "extents"));
	if (json_str(o, "created"))
		b->s->now = MAX(b->s->now, log_time(json_str(o, "created"), 0)); /* of several the last one */
	if (b->about)
		json_decref(o);
	else
		b->about = o;
}

/* Beside the folders lie other people's files too: only what looks like the API's is taken. */
static bool is_cluster_part(const struct member *m, const char *data, size_t size)
{
	return k8s_kind_by_plural(m->name, strlen(m->name) - 5) >= 0 ||
	       (memmem(data, size, "\"apiVersion\"", 12) && memmem(data, size, "\"kind\"", 6));
}

/* The file's own name tells of a kind: what is known of it is at most @why. */
static void mark_kind(struct bundle *b, const struct member *m, enum known why)
{
	int k = str_ends(m->name, ".json") ? k8s_kind_by_plural(m->name, strlen(m->name) - 5) : -ENOENT;

	if (k >= 0 && b->s->kinds[k] == NOT_COLLECTED)
		b->s->kinds[k] = why;
	else if (k >= 0 && b->s->kinds[k] == KNOWN)
		b->s->kinds[k] = PARTLY_KNOWN;
}

static int use_cluster(struct bundle *b, const struct member *m, const char *data, size_t size)
{
	int r = read_cluster_json(b->s, m->name, data, size, m->path);

	if (r == -ENOMEM)
		return r;
	if (m->cut)
		mark_kind(b, m, PARTLY_KNOWN);
	b->used += r == 0;
	return 0;
}

static int use_pod(struct bundle *b, const struct member *m, const char *data, size_t size)
{
	struct snap_dns *d;

	if (strcmp(m->name, "ready.txt") == 0)
		return read_probe(b->s, "ready", m->ns, m->pod, data, size, m->path);
	b->used++;
	d = snapshot_dns(b->s, DNS_FROM_POD, NULL, m->ns, m->pod);
	return (strcmp(m->name, "dns.txt") == 0 ? dns_text_use : dns_conf_use)(b->s, d, data, size, m->path);
}

/* ---- logs ---- */

/* @ret points into @m. False: it is none. */
static bool is_log(const struct member *m, struct snap_log *ret)
{
	*ret = (struct snap_log){ .node = m->node, .file = m->path };
	if (m->role == MEMBER_NODE)
		return node_file_log(m->file, ret);
	if (m->role != MEMBER_LOG)
		return false;
	ret->ns = m->ns;
	ret->pod = m->pod;
	ret->container = m->container;
	(void)container_len(m->name, &ret->previous);
	return log_program_of(m->pod, m->container, &ret->program);
}

int bundle_log_begin(struct bundle *b, const struct member *m, struct log_intake **ret, uint64_t *ret_max)
{
	struct snap_log l;

	if (b->each || !is_log(m, &l))
		return 0;
	*ret_max = MAX(MIN(SOURCE_LOG_MAX, SOURCE_LOGS_MAX - MIN(b->logs_total, SOURCE_LOGS_MAX)), SOURCE_LOG_END);
	*ret = log_intake_new(&b->s->arena, l.program, false, BUNDLE_LOG_LINES);
	return *ret ? 1 : -ENOMEM;
}

int bundle_log_end(struct bundle *b, const struct member *m, struct log_intake *in, uint64_t size)
{
	struct snap_log l;

	(void)is_log(m, &l);
	b->logs_total += size;
	b->used++;
	return log_add(b->s, &l, in);
}

/* One that lies in memory. */
static int use_log(struct bundle *b, const struct member *m, const char *data, size_t size)
{
	struct snap_log l;

	b->used++;
	return is_log(m, &l) ? log_use(b->s, &l, BUNDLE_LOG_LINES, data, size) : 0;
}

static int hand_out(struct bundle *b, const struct member *m, char *data, size_t size)
{
	const char *in_prefix = b->prefix ? inside(m->path, b->prefix) : NULL;
	struct strbuf path CLEANUP(strbuf_release) = STRBUF_INIT;
	bool wanted = m->role != MEMBER_OTHER && (m->role != MEMBER_TOP || is_cluster_part(m, data, size));

	if (m->role == MEMBER_NODE)
		strbuf_addf(&path, "nodes/%s/%s", m->node, m->name);
	else
		strbuf_adds(&path, in_prefix ? in_prefix : m->path);
	if (wanted && m->role != MEMBER_ABOUT)
		b->used++;
	if (b->err == 0 && wanted)
		b->err = path.failed ? -ENOMEM : b->each(b->arg, path.s, data, size);
	free(data);
	return b->err == -ENOMEM ? -ENOMEM : 0;
}

int bundle_use(struct bundle *b, const struct member *m, char *data, size_t size)
{
	int r = 0;

	b->total += size;
	if (b->each)
		return hand_out(b, m, data, size);
	if (m->role == MEMBER_NODE && !node_file_log(m->file, &(struct snap_log){ 0 }))
		return node_file_use(b, m, data, size);
	if (m->role == MEMBER_ABOUT)
		read_about(b, m, data, size);
	else if (m->role == MEMBER_POD)
		r = use_pod(b, m, data, size);
	else if (m->role == MEMBER_LOG || m->role == MEMBER_NODE)
		r = use_log(b, m, data, size);
	else if (m->role == MEMBER_CLUSTER || (m->role == MEMBER_TOP && is_cluster_part(m, data, size)))
		r = use_cluster(b, m, data, size);
	free(data);
	return r;
}

int bundle_mark(struct bundle *b, const struct member *m, enum known why)
{
	if (b->each)
		return 0;
	if (m->role == MEMBER_NODE)
		return node_file_mark(b, m, why);
	if (m->role == MEMBER_CLUSTER || m->role == MEMBER_TOP)
		mark_kind(b, m, why);
	return 0;
}
