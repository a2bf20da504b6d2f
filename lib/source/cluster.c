/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One JSON document of a bundle's cluster/ folder: its objects go to lib/k8s one by one, and what the
 * document tells of whole kinds (a list that is empty, refused, damaged, one page of several) goes to the
 * snapshot.
 */

#include <errno.h>
#include <jansson.h>

#include <svcdoctor/source.h>

struct cluster_reader {
	struct snapshot *s;
	const char *file;
	int named_kind;	      /* enum k8s_kind by the file's name, or -ENOENT */
	bool seen[K8S_KINDS]; /* this document tells of the kind */
	bool lists;	      /* the document has a list, or an object that was decoded */
};

/* What one thread decodes. */
struct cluster_part {
	struct k8s_cluster *cluster; /* the second thread's: of its own */
	const char *file;
	uint64_t order; /* of the document's first object */
	bool seen[K8S_KINDS];
	bool any;
	bool refused;	/* an API answer of kind Status */
	size_t refusal; /* the number of the first one */
	enum known why;
};

/* "ServiceList" names a kind; a plain "List", as kubectl makes, or none: the file's name does. */
static int on_list(void *arg, const char *kind, const char *api_version, bool partial)
{
	struct cluster_reader *r = arg;
	char singular[128];
	size_t len = strlen(kind);
	int k = r->named_kind;

	r->lists = true;
	if (len > 4 && str_ends(kind, "List") && len < sizeof(singular)) {
		memcpy(singular, kind, len - 4);
		singular[len - 4] = '\0';
		k = k8s_kind_find(singular, api_version);
	}
	if (k >= 0)
		r->seen[k] = true;
	if (partial)
		sd_note_add(&r->s->notes, true, "partial-list", r->file, 0, 0,
			    "read the list without a limit",
			    "the list is one page of several; the objects of the others are not known");
	return 0;
}

/* The body of an API error, saved in place of the list. */
static void take_status(struct cluster_part *p, const struct json_item *item)
{
	const char *reason = json_str(item->value, "reason"), *message = json_str(item->value, "message");
	bool forbidden = reason && (strcmp(reason, "Forbidden") == 0 || strcmp(reason, "Unauthorized") == 0);

	if (!p->refused) {
		p->refusal = item->number;
		p->why = forbidden ? FORBIDDEN : UNREADABLE;
	}
	p->refused = true;
	sd_note_add(item->notes, true, forbidden ? "forbidden" : "api-error", p->file, item->line, 0, NULL,
		    "this is an error of the API server: %.200s",
		    message  ? message
		    : reason ? reason
			     : "without a message");
}

static int on_item(void *part, const struct json_item *item)
{
	struct cluster_part *p = part;
	const char *own = json_str(item->value, "kind"), *version = json_str(item->value, "apiVersion");
	int k, result;

	if (own && strcmp(own, "Status") == 0 && (!version || strcmp(version, "v1") == 0)) {
		take_status(p, item);
		return 0;
	}
	k = k8s_kind_find(own ? own : item->kind, version ? version : item->api_version);
	if (k < 0)
		return 0;
	p->any = true;
	p->seen[k] = true;
	p->cluster->order = p->order + item->number;
	result = k8s_decode(p->cluster, item->value, item->kind, p->file, item->line, item->notes);
	return result == -ENOMEM ? result : 0;
}

/* The kinds that large clusters have most of. */
static int on_text(void *part, const struct json_item *item)
{
	struct cluster_part *p = part;
	enum k8s_kind k;
	int r;

	p->cluster->order = p->order + item->number;
	r = k8s_decode_text(p->cluster, item->text, item->size, item->kind, item->api_version, &k);
	if (r > 0)
		p->any = p->seen[k] = true;
	return r;
}

/* `kubectl version -o json`, or the API's /version. */
static int read_version(struct snapshot *s, const char *data, size_t size, const char *file)
{
	json_error_t error;
	json_t *o = size <= (1u << 20) ? json_loadb(data, size, 0, &error) : NULL;
	const json_t *server = json_obj(o, "serverVersion");
	const char *version = json_str(server ? server : o, "gitVersion");
	int r = 0;

	if (!version)
		sd_note_add(&s->notes, false, "bad-json", file, 0, 0, NULL,
			    "there is no gitVersion of a server in it");
	else if (!(s->cluster.version = arena_strdup(&s->cluster.arena, version)))
		r = -ENOMEM;
	json_decref(o);
	return r;
}

static size_t note_count(const struct snapshot *s)
{
	return s->notes.len + s->notes.dropped;
}

/* Merges what this document knows of each kind with what others told. */
static void mark_kinds(struct cluster_reader *r, bool damaged)
{
	enum known *kinds = r->s->kinds;

	for (size_t k = 0; k < K8S_KINDS; k++) {
		if (!r->seen[k])
			continue;
		if (damaged || kinds[k] == PARTLY_KNOWN)
			kinds[k] = PARTLY_KNOWN;
		else
			kinds[k] = KNOWN;
	}
}

/* What both threads saw; true when there was a refusal, of which the first one counts. */
static bool join_parts(struct cluster_reader *r, const struct cluster_part *a, const struct cluster_part *b)
{
	const struct cluster_part *first = b->refused && (!a->refused || b->refusal < a->refusal) ? b : a;
	enum known *kind = r->named_kind >= 0 ? &r->s->kinds[r->named_kind] : NULL;

	r->lists |= a->any || b->any;
	for (size_t k = 0; k < K8S_KINDS; k++)
		r->seen[k] |= a->seen[k] || b->seen[k];
	if (first->refused && kind && *kind == NOT_COLLECTED)
		*kind = first->why;
	return first->refused;
}

static ssize_t read_items(struct cluster_reader *r, const char *data, size_t size, bool *ret_refused)
{
	struct k8s_cluster *c = &r->s->cluster, second CLEANUP(k8s_cluster_release) = { 0 };
	struct cluster_part p[CREW_SIZE] = {
		{ .cluster = c, .file = r->file, .order = c->order },
		{ .cluster = &second, .file = r->file, .order = c->order },
	};
	void *const parts[CREW_SIZE] = { &p[0], r->s->beside && !crew_has_room(CREW_SIZE) ? NULL : &p[1] };
	ssize_t n = json_each_shared(data, size, r->file, &r->s->notes, on_list, r, on_text, on_item, parts);

	if (n != -ENOMEM) {
		*ret_refused = join_parts(r, &p[0], &p[1]);
		c->order = MAX(c->order, second.order);
		if (k8s_cluster_join(c, &second) < 0)
			n = -ENOMEM;
	}
	return n;
}

int read_cluster_json(struct snapshot *s, const char *name, const char *data, size_t size, const char *file)
{
	struct cluster_reader r = { .s = s, .file = file, .named_kind = -ENOENT };
	size_t before = note_count(s);
	bool refused = false;
	ssize_t n;

	if (strcmp(name, "version.json") == 0)
		return read_version(s, data, size, file);
	if (str_ends(name, ".json"))
		r.named_kind = k8s_kind_by_plural(name, strlen(name) - 5);
	n = read_items(&r, data, size, &refused);
	if (n == -ENOMEM)
		return -ENOMEM;
	mark_kinds(&r, note_count(s) != before);
	/* Damaged before it said what it is. */
	if (!r.lists && !refused && n < 0 && r.named_kind >= 0 && s->kinds[r.named_kind] == NOT_COLLECTED)
		s->kinds[r.named_kind] = UNREADABLE;
	return r.lists || refused ? 0 : SD_EFORMAT;
}
