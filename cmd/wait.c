/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * svcdoctor wait: looks until every Service that is named is sound, and the roll-outs behind it are done. What may pass (an API server
 * that is away or too busy, a Service that is not there yet) is waited out; what will not (no rights, a wrong certificate) ends it.
 */
#include <errno.h>

#include "cmd.h"

enum { INTERVAL_MS = 2000, LOOK_MS = 30000, LAST_LOOK_MS = 2000, TIMEOUT_MS = 120000 };

static const char *const choices_for[] = { "rollout", "sound", NULL };

static const struct opt options[] = {
	OPT_ROW_NAMESPACE,
	OPT_ROW_BUNDLE,
	{ 0, "for", "WHAT", "what to wait for ('rollout' if not given: sound, and nothing rolls out)", OPT_CHOICE,
	  offsetof(struct options, wait_for), 0, choices_for, COMPLETE_NOTHING },
	{ 0, "timeout", "TIME", "give up after this time ('2m' if not given; 0: never)", OPT_TIME, offsetof(struct options, timeout_ms), 0,
	  NULL, COMPLETE_NOTHING },
	OPT_ROW_INTERVAL("from one look to the next ('2s' if not given)"),
	OPT_ROW_FORMAT(choices_format2),
	OPT_ROW_OUTPUT_FILE,
	OPT_ROW_FAIL_ON,
	OPT_ROW_IGNORE,
	OPT_ROW_COLOR,
	OPT_ROW_QUIET,
	OPT_ROW_VERBOSE,
	OPT_ROW_HELP,
	OPT_ROW_END,
};

/* What was said last of each Service. */
struct said {
	char *service, *text;
};
struct wait {
	time_t since;
	int64_t end_ms; /* 0: none */
	ARRAY_OF(struct said) said;
	struct sd_notes told;
	char *unknown; /* the workloads that were said not to be known */
	bool outage;
};
enum verdict { VERDICT_SOUND, VERDICT_WAIT, VERDICT_END };

static void wait_release(struct wait *w)
{
	for (size_t i = 0; i < w->said.len; i++) {
		free(w->said.v[i].service);
		free(w->said.v[i].text);
	}
	array_free(&w->said);
	sd_notes_release(&w->told);
	free(w->unknown);
}

/* ---- what is said on the way ---- */

/* "12:01:07 shop/web: 1 of 3 pods are ready" */
static void say(const struct context *c, const char *what, const char *text)
{
	time_t now = time(NULL);
	struct tm tm;
	char at[16] = "";
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	if (c->o.quiet) {
		return;
	}
	if (localtime_r(&now, &tm)) {
		(void)strftime(at, sizeof(at), "%H:%M:%S", &tm);
	}
	strbuf_adds(&b, what);
	strbuf_adds(&b, *what ? ": " : "");
	strbuf_adds(&b, text);
	struct strbuf clean CLEANUP(strbuf_release) = STRBUF_INIT;
	strbuf_add_clean(&clean, strbuf_str(&b));
	fprintf(stderr, "%s %s\n", at, strbuf_str(&clean));
}

static int replace(char **text, const char *new)
{
	char *copy = strdup(new);
	if (!copy) {
		return -ENOMEM;
	}
	free(*text);
	*text = copy;
	return 0;
}

static struct said *said_of(struct wait *w, const char *service)
{
	for (size_t i = 0; i < w->said.len; i++) {
		if (strcmp(w->said.v[i].service, service) == 0) {
			return &w->said.v[i];
		}
	}
	struct said s = { .service = strdup(service) };
	if (!s.service || array_push(&w->said, s) < 0) {
		free(s.service);
		return NULL;
	}
	return &w->said.v[w->said.len - 1];
}

/* Where it is another than before. */
static int say_state(const struct context *c, struct wait *w, const struct report_waited *s)
{
	struct said *before = said_of(w, s->service);
	if (!before) {
		return -ENOMEM;
	}
	if (before->text && strcmp(before->text, s->text) == 0) {
		return 0;
	}
	int r = replace(&before->text, s->text);
	say(c, s->service, s->text);
	return r;
}

static void say_outage(const struct context *c, struct wait *w)
{
	const struct sd_notes *notes = &c->snapshot.notes;
	size_t i = 0;
	if (w->outage) {
		return;
	}
	while (i + 1 < notes->len && !notes->v[i].fatal_to_part) {
		i++;
	}
	w->outage = true;
	say(c, "cannot look, and waits", notes->len ? notes->v[i].text : "nothing could be read");
}

/* ---- soundness ---- */

static const struct finding *first_that_counts(const struct context *c, const struct service_result *s)
{
	for (size_t i = 0; i < s->causes.len + s->explained.len; i++) {
		const struct finding *f = i < s->causes.len ? s->causes.v[i] : s->explained.v[i - s->causes.len];
		if (severity_counts(&c->o, f->severity)) {
			return f;
		}
	}
	return NULL;
}

static const struct rollout *first_that_goes_on(const struct rollouts *all, const struct k8s_service *s)
{
	for (size_t i = 0; i < all->v.len; i++) {
		const struct rollout *x = &all->v.v[i];
		if (!x->done && strcmp(x->workload->meta.ns, s->meta.ns) == 0 &&
		    k8s_selector_matches(&s->selector, &x->workload->template_labels)) {
			return x;
		}
	}
	return NULL;
}

/* The count of pods says more than "no pod is ready" while one waits. */
static const char *lacks(const struct context *c, const struct service_result *s, const struct rollouts *rollouts)
{
	const struct axis_result *a = &s->axes[AXIS_ENDPOINTS];
	const struct finding *f = first_that_counts(c, s);
	const struct rollout *x = first_that_goes_on(rollouts, s->service);
	if (f) {
		return a->state == AXIS_FAILED && a->line && f->axis == AXIS_ENDPOINTS ? a->line : f->text;
	}
	if (s->status == STATUS_UNDECIDED || a->state == AXIS_SKIPPED || a->state == AXIS_NOT_LOOKED_AT) {
		return "its endpoints cannot be judged by what could be read";
	}
	return x ? x->text : NULL;
}

struct state {
	ARRAY_OF(struct report_waited) v;
	struct rollouts rollouts;
};

static void state_release(struct state *s)
{
	array_free(&s->v);
	rollouts_release(&s->rollouts);
}

static int add_service(struct context *c, const struct look *l, const struct service_result *s, struct state *ret)
{
	const char *lack = lacks(c, s, &ret->rollouts);
	const char *line = s->axes[AXIS_ENDPOINTS].line;
	struct report_waited x = { .service = arena_printf(&c->arena, "%s/%s", s->service->meta.ns, s->service->meta.name) };
	if (!lack && !l->whole) {
		lack = "not everything that was asked for could be read";
	}
	x.sound = !lack;
	x.text = lack ? lack : line ? line : "nothing is wrong with it";
	return x.service ? array_push(&ret->v, x) : -ENOMEM;
}

static int add_missing(struct context *c, const struct missing_service *m, struct state *ret)
{
	struct report_waited x = { .service = arena_clean(&c->arena, m->name), .text = "there is no such Service" };
	return x.service ? array_push(&ret->v, x) : -ENOMEM;
}

static int state_make(struct context *c, const struct look *l, struct state *ret)
{
	int r = 0;
	for (size_t i = 0; r == 0 && c->o.wait_for == WAIT_ROLLOUT && i < l->d.services.len; i++) {
		r = rollouts_of(&c->snapshot, l->d.services.v[i].service, &ret->rollouts);
	}
	for (size_t i = 0; r == 0 && i < l->d.services.len; i++) {
		r = add_service(c, l, &l->d.services.v[i], ret);
	}
	for (size_t i = 0; r == 0 && i < l->selection.missing.len; i++) {
		r = add_missing(c, &l->selection.missing.v[i], ret);
	}
	return r;
}

static bool all_sound(const struct state *s)
{
	bool sound = s->v.len > 0;
	for (size_t i = 0; i < s->v.len; i++) {
		sound &= s->v.v[i].sound;
	}
	return sound;
}

/* ---- one look ---- */

/* More rights, another certificate or another command line are not what time brings. */
static bool may_pass(const struct context *c, const struct look *l)
{
	static const enum k8s_kind core[] = { K8S_SERVICES, K8S_SLICES, K8S_PODS };
	for (size_t i = 0; i < c->snapshot.missing.len; i++) {
		for (size_t k = 0; k < ARRAY_LEN(core); k++) {
			if (c->snapshot.missing.v[i].kind == (int)core[k] && c->snapshot.missing.v[i].why == FORBIDDEN) {
				return false;
			}
		}
	}
	if (l->made) {
		return true;
	}
	return (l->code == CODE_NO_API && c->outcome != API_NOT_TRUSTED) || (l->code == CODE_INCONCLUSIVE && c->api);
}

/* Once: without the workloads nobody can tell whether something rolls out. */
static int say_unknown(const struct context *c, struct wait *w, const struct rollouts *x)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	if (!x->unknown || w->unknown) {
		return 0;
	}
	strbuf_addf(&b, "%s are not known, so a roll-out of theirs is not waited for", x->unknown);
	say(c, "", strbuf_str(&b));
	return replace(&w->unknown, x->unknown);
}

static int consider(struct context *c, struct wait *w, const struct look *l, struct state *s, enum verdict *ret)
{
	if (!l->made) {
		*ret = may_pass(c, l) ? VERDICT_WAIT : VERDICT_END;
		if (*ret == VERDICT_WAIT) {
			say_outage(c, w);
		}
		return 0;
	}
	if (w->outage) {
		say(c, "", "can be looked at again");
	}
	w->outage = false;
	setup_tell(c, &w->told);
	int r = state_make(c, l, s);
	for (size_t i = 0; r == 0 && i < s->v.len; i++) {
		r = say_state(c, w, &s->v.v[i]);
	}
	r = r < 0 ? r : say_unknown(c, w, &s->rollouts);
	*ret = all_sound(s) ? VERDICT_SOUND : !l->whole && !may_pass(c, l) ? VERDICT_END : VERDICT_WAIT;
	return r;
}

static int end_code(const struct look *l, enum verdict v)
{
	if (!l->made) {
		return l->code;
	}
	return v == VERDICT_SOUND ? CODE_HEALTHY : l->whole ? CODE_FINDINGS : (int)code_join((enum exit_code)l->code, CODE_INCONCLUSIVE);
}

static int finish(struct context *c, const struct wait *w, const struct look *l, const struct state *s, enum verdict v)
{
	const struct report_wait what = {
		.since = w->since,
		.at = l->at,
		.sound = v == VERDICT_SOUND,
		.services = s->v.v,
		.nservices = s->v.len,
		.rollouts = c->o.wait_for == WAIT_ROLLOUT ? &s->rollouts : NULL,
	};
	if (!l->made) {
		c->hush = false;
		setup_tell(c, NULL);
	}
	signals_hold();
	int r = l->made ? report_wait(&c->report, &l->d, &what) : report_nothing(&c->report);
	return r < 0 ? r : end_code(l, v);
}

static bool is_over(const struct wait *w)
{
	return w->end_ms && clock_ms() >= w->end_ms;
}

static void bound_look(struct context *c, const struct wait *w)
{
	c->o.timeout_ms = w->end_ms ? MAX(MIN(w->end_ms - clock_ms(), (int64_t)LOOK_MS), (int64_t)LAST_LOOK_MS) : LOOK_MS;
}

/* Negative: go on; else the exit code. */
enum { GO_ON = -1 };

static int one_look(struct context *c, struct wait *w, int *ret_code)
{
	struct look l = { 0 };
	struct state s CLEANUP(state_release) = { 0 };
	enum verdict v = VERDICT_END;
	static const bool all[AXIS_COUNT] = { true, true, true };
	bool last = is_over(w) || (!c->api && !c->here.wanted);
	if (!w->outage) {
		sd_notes_release(&w->told);
		w->told = c->snapshot.notes;
		c->snapshot.notes = (struct sd_notes){ 0 };
	}
	bound_look(c, w);
	int r = look_take(c, true, all, &l);
	r = r < 0 ? r : consider(c, w, &l, &s, &v);
	*ret_code = GO_ON;
	if (r == 0 && (last || v != VERDICT_WAIT)) {
		r = finish(c, w, &l, &s, v);
		*ret_code = r;
	}
	look_release(c, &l);
	return MIN(r, 0);
}

static int run(struct context *c)
{
	struct wait w CLEANUP(wait_release) = { .since = time(NULL) };
	int64_t timeout = c->o.timeout_ms < 0 ? TIMEOUT_MS : c->o.timeout_ms, begin = clock_ms();
	int64_t interval = c->o.interval_ms > 0 ? c->o.interval_ms : INTERVAL_MS;
	int code = GO_ON, r = 0;
	w.end_ms = timeout ? begin + timeout : 0;
	c->hush = true;
	for (;;) {
		r = one_look(c, &w, &code);
		if (r < 0 || code != GO_ON) {
			return r < 0 ? r : code;
		}
		begin = MAX(begin + interval, clock_ms());
		if (w.end_ms && begin > w.end_ms) {
			begin = MAX(w.end_ms, clock_ms());
		}
		(void)look_pause(NULL, begin - clock_ms());
	}
}

const struct command command_wait = {
	.name = "wait",
	.arguments = "SERVICE...",
	.args_min = 1,
	.args_max = 1000,
	.help = "waits until Services are sound: the step after a roll-out",
	.complete = COMPLETE_SERVICE,
	.needs = COMMAND_NEEDS_SNAPSHOT | COMMAND_READS_ITSELF | COMMAND_KEEPS_RIGHTS | COMMAND_NO_RULES,
	.options = options,
	.run = run,
};
