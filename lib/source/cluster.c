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
	bool refused;	      /* an API answer of kind Status */
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
static void take_status(struct cluster_reader *r, const json_t *o, uint32_t line)
{
	const char *reason = json_str(o, "reason"), *message = json_str(o, "message");
	bool forbidden = reason && (strcmp(reason, "Forbidden") == 0 || strcmp(reason, "Unauthorized") == 0);

	r->refused = true;
	if (r->named_kind >= 0 && r->s->kinds[r->named_kind] == NOT_COLLECTED)
		r->s->kinds[r->named_kind] = forbidden ? FORBIDDEN : UNREADABLE;
	sd_note_add(&r->s->notes, true, forbidden ? "forbidden" : "api-error", r->file, line, 0, NULL,
		    "this is an error of the API server: %.200s",
		    message  ? message
		    : reason ? reason
			     : "without a message");
}

static int on_item(void *arg, struct json_t *item, const char *kind, const char *api_version, uint32_t line)
{
	struct cluster_reader *r = arg;
	const char *own = json_str(item, "kind"), *version = json_str(item, "apiVersion");
	int k, result;

	if (own && strcmp(own, "Status") == 0 && (!version || strcmp(version, "v1") == 0)) {
		take_status(r, item, line);
		return 0;
	}
	k = k8s_kind_find(own ? own : kind, version ? version : api_version);
	if (k < 0)
		return 0;
	r->lists = true;
	r->seen[k] = true;
	result = k8s_decode(&r->s->cluster, item, kind, r->file, line, &r->s->notes);
	return result == -ENOMEM ? result : 0;
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

int read_cluster_json(struct snapshot *s, const char *name, const char *data, size_t size, const char *file)
{
	struct cluster_reader r = { .s = s, .file = file, .named_kind = -ENOENT };
	size_t before = note_count(s);
	ssize_t n;

	if (strcmp(name, "version.json") == 0)
		return read_version(s, data, size, file);
	if (str_ends(name, ".json"))
		r.named_kind = k8s_kind_by_plural(name, strlen(name) - 5);
	n = json_each_list(data, size, file, &s->notes, on_list, on_item, &r);
	if (n == -ENOMEM)
		return -ENOMEM;
	mark_kinds(&r, note_count(s) != before);
	/* Damaged before it said what it is. */
	if (!r.lists && !r.refused && n < 0 && r.named_kind >= 0 && s->kinds[r.named_kind] == NOT_COLLECTED)
		s->kinds[r.named_kind] = UNREADABLE;
	return r.lists || r.refused ? 0 : SD_EFORMAT;
}
