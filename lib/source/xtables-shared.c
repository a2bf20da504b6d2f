/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules of a long table, read by two threads. In the save form all chains of a table stand before its rules, so that
 * a rule only looks chains up, and the lines can be cut into parts. Each part has records, counts and rules of its own,
 * which are joined in the order of the text: what comes out is what one thread reads. Where a part meets a chain that is
 * not declared, which has to be made there, it and all behind it are read again by one thread.
 */
#include <errno.h>

#include "xtables-private.h"

#define PART_SIZE (256u << 10)
#define PARTS_MAX 128u /* before they are joined: each may have as many records as are kept at all */

struct part {
	struct xt_reader x;
	struct sd_notes notes;
	struct xtables_text text;
	const char *from;
	int r;
};
struct shared {
	struct ruleset rs[CREW_SIZE]; /* of these the arenas alone are used, one by each thread */
	ARRAY_OF(struct part *) parts;
	struct crew *crew;
};

static void shared_release(struct shared *sh)
{
	crew_finish(sh->crew);
	for (size_t i = 0; i < sh->parts.len; i++) {
		xt_release(&sh->parts.v[i]->x);
		sd_notes_release(&sh->parts.v[i]->notes);
		free(sh->parts.v[i]);
	}
	array_free(&sh->parts);
	for (size_t i = 0; i < CREW_SIZE; i++)
		ruleset_release(&sh->rs[i]);
}

static void read_part(void *arg, void *job, unsigned who)
{
	struct shared *sh = arg;
	struct part *p = job;

	p->x.rs = &sh->rs[who];
	p->r = xt_read_lines(&p->x, p->from);
	if (p->r == 0)
		p->r = xt_find_soon(&p->x);
}

bool xt_is_rule_line(const char *s, const char *end)
{
	return end - s > 3 && (*s == '[' || (s[0] == '-' && s[1] == 'A' && s[2] == ' '));
}

/* The end of the part that begins at @p: whole lines of rules. Counts them. */
static const char *part_end(const char *p, const char *end, uint32_t *lines)
{
	const char *from = p, *nl;

	while (p - from < (ptrdiff_t)PART_SIZE && xt_is_rule_line(p, end) &&
	       (nl = memchr(p, '\n', (size_t)(end - p)))) {
		p = nl + 1;
		(*lines)++;
	}
	return p;
}

/* Up to @end, behind @lines lines of this block. NULL when memory is out. */
static struct part *new_part(struct shared *sh, const struct xt_reader *x, const char *from, const char *end,
			     uint32_t lines)
{
	struct part *p = calloc(1, sizeof(*p));

	if (!p || array_push(&sh->parts, p) < 0) {
		free(p);
		return NULL;
	}
	p->from = from;
	p->x = (struct xt_reader){
		.notes = &p->notes, .ret = &p->text, .file = x->file, .matches = x->matches, .targets = x->targets,
		.data = x->data, .end = end, .backend = x->backend, .ip6 = x->ip6, .save_form = true,
		.shadowed = x->shadowed, .line_no = x->line_no + lines, .table = x->table, .is_part = true,
	};
	return p;
}

/*
 * Cuts from @p on, while there are rules. The first part alone is not worth a thread. Sets @ret_end to where it may be
 * tried again.
 */
static int cut(struct shared *sh, const struct xt_reader *x, const char *p, const char **ret_end)
{
	uint32_t lines = 0;

	*ret_end = p;
	while (sh->parts.len < PARTS_MAX) {
		uint32_t before = lines;
		const char *end = part_end(p, x->end, &lines);
		struct part *part;

		*ret_end = end;
		if (end == p || (!sh->crew && end - p < (ptrdiff_t)PART_SIZE))
			return 0;
		if (!sh->crew && !(sh->crew = crew_start(read_part, sh))) {
			*ret_end = x->end;
			return 0;
		}
		part = new_part(sh, x, p, end, before);
		if (!part)
			return -ENOMEM;
		crew_add(sh->crew, part);
		p = end;
	}
	return 0;
}

static int join_pending(struct xt_reader *x, const struct xt_reader *from)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < from->pending.len; i++)
		r = array_push(&x->pending, from->pending.v[i]);
	return r;
}

static int join(struct xt_reader *x, struct part *p)
{
	int r = join_pending(x, &p->x);

	if (r < 0)
		return r;
	array_free(&x->fresh);
	x->fresh.v = take_ptr(p->x.fresh.v);
	x->fresh.len = p->x.fresh.len;
	x->fresh.cap = p->x.fresh.cap;
	sd_notes_join(x->notes, &p->notes);
	x->ret->rules += p->text.rules;
	x->ret->damaged |= p->text.damaged;
	x->usable += p->x.usable;
	x->line_no = p->x.line_no;
	return xt_settle(x);
}

int xt_read_shared(struct xt_reader *x, const char **p)
{
	struct shared sh CLEANUP(shared_release) = { 0 };
	const char *end = *p;
	int r = xt_settle(x);

	if (r == 0)
		r = cut(&sh, x, *p, &end);
	crew_finish(take_ptr(sh.crew));
	x->alone_until = MAX(end, *p + 1);
	for (size_t i = 0; r == 0 && i < sh.parts.len; i++) {
		struct part *part = sh.parts.v[i];

		if (part->x.gave_up)
			break;
		r = part->r < 0 ? part->r : join(x, part);
		*p = part->x.end;
	}
	for (size_t i = 0; i < CREW_SIZE; i++)
		arena_join(&x->rs->arena, &sh.rs[i].arena);
	return r;
}
