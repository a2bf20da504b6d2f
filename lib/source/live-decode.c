/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages of lists are decoded beside the network: a page goes to the crew as it comes and is freed behind it, so that a long list never
 * lies in memory as text. Each list has a cluster for each thread, which are joined at its end; a list that begins anew drops them.
 */

#include <errno.h>
#include <jansson.h>

#include "live-private.h"

/* What one thread decoded of a list. */
struct part {
	struct k8s_cluster cluster;
	struct sd_notes notes;
	size_t objects;
	bool damaged;
	int err;
};

/* One attempt at a list: a restart makes a new one. */
struct attempt {
	struct live_list *list;
	struct part parts[CREW_SIZE];
	struct attempt *next;
};

struct live_list {
	struct live_decoder *decoder;
	enum k8s_kind kind;
	bool metadata;
	struct attempt *now; /* the last one first */
	struct live_list *next;
};

struct live_decoder {
	struct crew *crew;
	struct live_list *lists;
};

struct page {
	struct attempt *attempt;
	char *data;
	size_t size;
};

/* What was read of an object's metadata alone gives way to the object itself. */
#define ORDER_OF_OBJECTS (1ull << 40)

struct page_reader {
	struct part *part;
	const struct live_list *list;
	bool begun; /* the page is a list of the kind */
};

static int on_list(void *arg, const char *kind, const char *api_version, bool partial)
{
	struct page_reader *r = arg;
	const char *own = k8s_resource(r->list->kind)->kind;
	const size_t len = strlen(own);

	(void)api_version;
	(void)partial;
	r->begun = (r->list->metadata && strcmp(kind, "PartialObjectMetadataList") == 0) ||
		   (strncmp(kind, own, len) == 0 && strcmp(kind + len, "List") == 0);
	return r->begun ? 0 : SD_EFORMAT;
}

static int on_item(void *arg, struct json_t *item, const char *kind, const char *api_version, uint32_t line)
{
	struct page_reader *r = arg;
	const struct k8s_resource *res = k8s_resource(r->list->kind);
	int k;

	(void)kind;
	(void)api_version;
	(void)line;
	if (!r->begun)
		return SD_EFORMAT;
	if (r->list->metadata) {
		(void)json_object_del(item, "kind");
		(void)json_object_del(item, "apiVersion");
	}
	k = k8s_decode(&r->part->cluster, item, res->kind, res->plural, 0, &r->part->notes);
	if (k == -ENOMEM)
		return k;
	r->part->objects++;
	r->part->damaged |= k < 0;
	return 0;
}

static void decode_page(void *arg, void *page_v, unsigned who)
{
	struct page *page = page_v;
	struct attempt *a = page->attempt;
	struct part *part = &a->parts[who];
	struct page_reader r = { part, a->list, false };
	const size_t notes = part->notes.len;
	ssize_t n;

	(void)arg;
	page->size = json_keep(page->data, page->size, k8s_fields);
	n = json_each_list(page->data, page->size, k8s_resource(a->list->kind)->plural, &part->notes, on_list, on_item, &r);
	if (n == -ENOMEM) {
		part->err = -ENOMEM;
	} else if (n < 0) {
		part->damaged = true;
		if (part->notes.len == notes)
			sd_note_add(&part->notes, true, "bad-answer", k8s_resource(a->list->kind)->plural, 0, 0, NULL,
				    "the answer of the API server is no list of %s", k8s_resource(a->list->kind)->plural);
	}
	part->damaged |= part->notes.len > notes;
	free(page->data);
	free(page);
}

struct live_decoder *live_decoder_new(void)
{
	struct live_decoder *d = calloc(1, sizeof(*d));

	if (d)
		d->crew = crew_start(decode_page, NULL);
	return d;
}

static void attempt_free(struct attempt *a)
{
	for (size_t i = 0; i < CREW_SIZE; i++) {
		k8s_cluster_release(&a->parts[i].cluster);
		sd_notes_release(&a->parts[i].notes);
	}
	free(a);
}

void live_decoder_wait(struct live_decoder *d)
{
	crew_finish(take_ptr(d->crew));
}

void live_decoder_free(struct live_decoder *d)
{
	if (!d)
		return;
	live_decoder_wait(d);
	while (d->lists) {
		struct live_list *l = d->lists;

		d->lists = l->next;
		while (l->now) {
			struct attempt *a = l->now;

			l->now = a->next;
			attempt_free(a);
		}
		free(l);
	}
	free(d);
}

static int begin_attempt(struct live_list *l)
{
	struct attempt *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->list = l;
	for (size_t i = 0; i < CREW_SIZE; i++) {
		k8s_cluster_init(&a->parts[i].cluster);
		a->parts[i].cluster.order = l->metadata ? 0 : ORDER_OF_OBJECTS;
	}
	a->next = l->now;
	l->now = a;
	return 0;
}

struct live_list *live_list_new(struct live_decoder *d, enum k8s_kind kind, bool metadata)
{
	struct live_list *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->decoder = d;
	l->kind = kind;
	l->metadata = metadata;
	l->next = d->lists;
	d->lists = l;
	return begin_attempt(l) < 0 ? NULL : l;
}

int live_list_page(struct live_list *l, char *data, size_t size, bool restart)
{
	struct page *page = calloc(1, sizeof(*page));

	if (!page || (restart && begin_attempt(l) < 0)) {
		free(page);
		free(data);
		return -ENOMEM;
	}
	*page = (struct page){ l->now, data, size };
	if (l->decoder->crew)
		crew_add(l->decoder->crew, page);
	else
		decode_page(NULL, page, 0);
	return 0;
}

int live_list_join(struct live_list *l, struct k8s_cluster *c, struct sd_notes *notes, size_t *ret_objects, bool *ret_damaged)
{
	int r = 0;

	*ret_objects = 0;
	*ret_damaged = false;
	for (size_t i = 0; r == 0 && i < CREW_SIZE; i++) {
		struct part *part = &l->now->parts[i];

		*ret_objects += part->objects;
		*ret_damaged |= part->damaged;
		sd_notes_join(notes, &part->notes);
		r = part->err ? part->err : k8s_cluster_join(c, &part->cluster);
	}
	return r;
}
