/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What changed between two looks, and what is only out of sight; and how a watch tells it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>

#include <svcdoctor/report.h>

static const struct check check_a = { .id = "no-ready-endpoints", .axis = AXIS_ENDPOINTS, .severity = SEVERITY_ERROR };
static const struct check check_b = { .id = "pod-crashlooping", .axis = AXIS_ENDPOINTS, .severity = SEVERITY_WARNING };
static const struct check check_r = { .id = "ip-forward-disabled", .axis = AXIS_RULES, .severity = SEVERITY_ERROR };

static struct k8s_service cart = { .meta = { .ns = "shop", .name = "cart" } }, web = { .meta = { .ns = "shop", .name = "web" } };

/* A look: what was read, and what was found. */
struct scene {
	struct snapshot s;
	struct diagnosis d;
	struct digest g;
};

static struct finding *add(struct scene *x, const struct check *check, const char *id, const char *text, struct k8s_service *service)
{
	struct finding *f = arena_new(&x->d.arena, struct finding);
	*f = (struct finding){ .id = id, .check = check, .axis = check->axis, .severity = check->severity, .subject = "S", .text = text };
	if (service) {
		assert_int_equal(array_push(&f->services, service), 0);
	}
	assert_int_equal(array_push(&x->d.findings, f), 0);
	return f;
}

static void status(struct scene *x, struct k8s_service *service, enum service_status s, const char *line)
{
	struct service_result sr = { .service = service, .status = s };
	sr.axes[AXIS_ENDPOINTS].line = line;
	assert_int_equal(array_push(&x->d.services, sr), 0);
}

static void begin(struct scene *x)
{
	memset(x, 0, sizeof(*x));
	snapshot_init(&x->s);
	x->s.kinds[K8S_SERVICES] = x->s.kinds[K8S_PODS] = x->s.kinds[K8S_SLICES] = KNOWN;
}

static void node(struct scene *x, const char *name, enum known dump)
{
	struct snap_node *n = snapshot_node(&x->s, name, true);
	assert_non_null(n);
	n->any_rules = true;
	n->dumps[DUMP_NFT4] = KNOWN;
	n->dumps[DUMP_NFT6] = dump;
}

static void end(struct scene *x)
{
	digest_release(&x->g);
	diagnosis_release(&x->d);
	snapshot_release(&x->s);
}

static void digest(struct scene *x)
{
	assert_int_equal(digest_make(&x->s, &x->d, &x->g), 0);
}

/* "new A, gone B, ..." of what changed. */
static void expect_changes(const struct changes *c, const char *want)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	for (size_t i = 0; i < c->v.len; i++) {
		const struct change *x = &c->v.v[i];
		strbuf_addf(&b, "%s%s %s", i ? ", " : "", change_name(x->kind),
			    x->after    ? x->after->id
			    : x->before ? x->before->id
			    : x->is     ? x->is->name
					: x->was->name);
	}
	assert_string_equal(strbuf_str(&b), want);
}

static void compare(struct scene *x, struct scene *y, const char *want, size_t unseen)
{
	struct changes c = { 0 };
	assert_int_equal(digest_compare(&x->g, &y->g, &c), 0);
	expect_changes(&c, want);
	assert_int_equal(c.lost.unseen, unseen);
	array_free(&c.v);
	assert_int_equal(digest_keep(&x->g, &y->g), 0);
	assert_int_equal(y->g.lost.unseen, unseen);
}

static void nothing_changes(void **state)
{
	struct scene x, y;
	(void)state;
	begin(&x);
	begin(&y);
	for (struct scene *s = &x;; s = &y) {
		add(s, &check_a, "a", "text", &cart);
		status(s, &cart, STATUS_BROKEN, "0 of 2 pods are ready");
		node(s, "node1", KNOWN);
		digest(s);
		if (s == &y) {
			break;
		}
	}
	compare(&x, &y, "", 0);
	end(&x);
	end(&y);
}

static void all_kinds_of_changes(void **state)
{
	struct scene x, y;
	(void)state;
	begin(&x);
	add(&x, &check_a, "a", "gone now", &cart);
	add(&x, &check_b, "b", "worse now", NULL);
	add(&x, &check_b, "c", "concerns more", &cart);
	add(&x, &check_b, "d", "explained now", NULL);
	add(&x, &check_b, "e", "explained before", NULL)->explained_by = x.d.findings.v[3];
	add(&x, &check_b, "f", "explained before", NULL)->explained_by = x.d.findings.v[3];
	status(&x, &cart, STATUS_BROKEN, "0 of 2 pods are ready");
	digest(&x);
	begin(&y);
	add(&y, &check_b, "b", "worse now", NULL)->severity = SEVERITY_ERROR;
	struct finding *c = add(&y, &check_b, "c", "concerns more", &cart);
	assert_int_equal(array_push(&c->services, &web), 0);
	struct finding *d = add(&y, &check_b, "d", "explained now", NULL);
	add(&y, &check_b, "e", "a cause now", NULL);
	d->explained_by = add(&y, &check_a, "g", "new", &web);
	add(&y, &check_a, "h", "new and explained", &web)->explained_by = d->explained_by;
	status(&y, &cart, STATUS_HEALTHY, "2 of 2 pods are ready");
	status(&y, &web, STATUS_BROKEN, "no pod");
	digest(&y);
	compare(&x, &y, "new g, new e, severity b, concerns c, appeared shop/web, status shop/cart, explained d, gone a", 0);
	end(&x);
	end(&y);
}

static void a_line_and_a_service_that_goes(void **state)
{
	struct scene x, y;
	(void)state;
	begin(&x);
	add(&x, &check_a, "a", "of a Service that goes", &web);
	status(&x, &cart, STATUS_HEALTHY, "2 of 2 pods are ready");
	status(&x, &web, STATUS_BROKEN, NULL);
	digest(&x);
	begin(&y);
	/* where the only Service is gone nobody asks for its pods */
	y.s.kinds[K8S_PODS] = y.s.kinds[K8S_SLICES] = NOT_COLLECTED;
	status(&y, &cart, STATUS_HEALTHY, "3 of 3 pods are ready");
	digest(&y);
	compare(&x, &y, "gone a, vanished shop/web", 0);
	end(&y);
	begin(&y);
	status(&y, &cart, STATUS_HEALTHY, "3 of 3 pods are ready");
	digest(&y);
	compare(&x, &y, "line shop/cart, gone a, vanished shop/web", 0);
	end(&x);
	end(&y);
}

/* A look that could not read the pods says nothing of what it did not find; the next one does. */
static void out_of_sight_is_not_gone(void **state)
{
	static const enum known less[] = { FORBIDDEN, UNREADABLE, LATE, NOT_COLLECTED, PARTLY_KNOWN };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(less); i++) {
		struct scene x, y, z;
		begin(&x);
		add(&x, &check_a, "a", "mended later", &cart);
		add(&x, &check_b, "b", "stays", &cart);
		status(&x, &cart, STATUS_BROKEN, "0 of 2 pods are ready");
		digest(&x);
		begin(&y);
		y.s.kinds[K8S_PODS] = less[i];
		add(&y, &check_a, "n", "new all the same", &cart);
		status(&y, &cart, STATUS_NO_FAULT_FOUND, "not looked at");
		digest(&y);
		compare(&x, &y, "new n", 2);
		assert_true(y.g.lost.kinds[K8S_PODS]);
		begin(&z);
		add(&z, &check_b, "b", "stays", &cart);
		status(&z, &cart, STATUS_DEGRADED, "1 of 2 pods are ready");
		digest(&z);
		compare(&y, &z, "status shop/cart, gone a, gone n", 0);
		assert_false(z.g.lost.kinds[K8S_PODS]);
		end(&x);
		end(&y);
		end(&z);
	}
}

/* A live run asks for less, because the cluster has grown: what needs just that stays, and all else is judged. */
static void no_longer_asked_for(void **state)
{
	static const struct check check_i = { .id = "ingress-backend-missing", .axis = AXIS_ENDPOINTS, .severity = SEVERITY_WARNING };
	struct scene x, y;
	(void)state;
	begin(&x);
	x.s.live = true;
	x.s.kinds[K8S_INGRESSES] = KNOWN;
	add(&x, &check_a, "a", "mended", &cart);
	add(&x, &check_i, "i", "of an Ingress", NULL);
	status(&x, &cart, STATUS_BROKEN, "0 of 2 pods are ready");
	digest(&x);
	begin(&y);
	y.s.live = true;
	status(&y, &cart, STATUS_NO_FAULT_FOUND, "2 of 2 pods are ready");
	digest(&y);
	compare(&x, &y, "status shop/cart, gone a", 1);
	end(&x);
	end(&y);
}

static void services_out_of_sight(void **state)
{
	struct scene x, y;
	(void)state;
	begin(&x);
	add(&x, &check_a, "a", "t", &cart);
	status(&x, &cart, STATUS_BROKEN, "0 of 2 pods are ready");
	digest(&x);
	begin(&y);
	y.s.kinds[K8S_SERVICES] = FORBIDDEN;
	digest(&y);
	compare(&x, &y, "", 1);
	assert_int_equal(y.g.services.len, 1);
	end(&x);
	end(&y);
}

static void a_node_out_of_sight(void **state)
{
	struct scene x, y, z;
	(void)state;
	begin(&x);
	add(&x, &check_r, "r", "forwarding is off", &cart)->node = "node2";
	add(&x, &check_a, "a", "of the API", &cart);
	status(&x, &cart, STATUS_BROKEN, NULL);
	node(&x, "node1", KNOWN);
	node(&x, "node2", KNOWN);
	digest(&x);
	begin(&y);
	status(&y, &cart, STATUS_NO_FAULT_FOUND, NULL);
	node(&y, "node1", KNOWN);
	digest(&y);
	compare(&x, &y, "gone a", 1);
	begin(&z);
	status(&z, &cart, STATUS_NO_FAULT_FOUND, NULL);
	node(&z, "node1", KNOWN);
	node(&z, "node2", UNREADABLE);
	digest(&z);
	compare(&y, &z, "", 1);
	end(&y);
	begin(&y);
	status(&y, &cart, STATUS_NO_FAULT_FOUND, NULL);
	node(&y, "node1", KNOWN);
	node(&y, "node2", KNOWN);
	digest(&y);
	compare(&z, &y, "status shop/cart, gone r", 0);
	end(&x);
	end(&y);
	end(&z);
}

/* ---- as a user reads it ---- */

static char *told(struct scene *x, struct scene *y, enum report_format format, bool quiet, bool verbose)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	struct changes c = { 0 };
	struct report r = { .out = f, .format = format, .command = "diagnose", .program = "svcdoctor", .source_flags = " --bundle lab",
			    .kubectl_flags = "", .snapshot = &y->s, .namespace_ = "default", .quiet = quiet, .verbose = verbose,
			    .one_line = true };
	assert_int_equal(digest_compare(&x->g, &y->g, &c), 0);
	struct report_look l = { .at = 1795262467, .before_at = 1795262467 - 60, .changes = &c, .now = &y->g };
	assert_int_equal(report_look(&r, &y->d, &l), 1);
	array_free(&c.v);
	fclose(f);
	return text;
}

static void pair(struct scene *x, struct scene *y)
{
	begin(x);
	add(x, &check_a, "a", "no pod behind shop/cart is ready\033[2J", &cart);
	status(x, &cart, STATUS_BROKEN, "0 of 2 pods are ready");
	status(x, &web, STATUS_HEALTHY, "2 of 2 pods are ready");
	digest(x);
	begin(y);
	struct finding *f = add(y, &check_a, "b", "no pod behind shop/web is ready", &web);
	assert_int_equal(array_push(&f->next, "kubectl -n shop get pods"), 0);
	add(y, &check_b, "c", "worth knowing", NULL)->severity = SEVERITY_INFO;
	status(y, &cart, STATUS_DEGRADED, "1 of 2 pods are ready");
	status(y, &web, STATUS_BROKEN, "0 of 2 pods are ready");
	digest(y);
}

static void text(void **state)
{
	struct scene x, y;
	(void)state;
	assert_int_equal(setenv("TZ", "UTC", 1), 0);
	pair(&x, &y);
	char *s = told(&x, &y, REPORT_TEXT, false, false);
	assert_string_equal(s, "12:01:07 + cause: no pod behind shop/web is ready\n"
			       "           next     kubectl -n shop get pods\n"
			       "12:01:07 ~ shop/cart: broken -> degraded (1 of 2 pods are ready)\n"
			       "12:01:07 ~ shop/web: healthy -> broken (0 of 2 pods are ready)\n"
			       "12:01:07 - gone: no pod behind shop/cart is ready?[2J\n"
			       "12:01:07   2 Services: 1 broken, 1 degraded\n");
	free(s);
	s = told(&x, &y, REPORT_TEXT, true, false);
	assert_string_equal(s, "12:01:07 + cause: no pod behind shop/web is ready\n12:01:07 - gone: no pod behind shop/cart is ready?[2J\n");
	free(s);
	s = told(&x, &y, REPORT_LINES, false, false);
	assert_string_equal(s, "2026-11-21T12:01:07Z\t+\terror\tendpoints\tno-ready-endpoints\tS\t-\tshop/web\tno pod behind shop/web is ready\n"
			       "2026-11-21T12:01:07Z\t+\tinfo\tendpoints\tpod-crashlooping\tS\t-\t-\tworth knowing\n"
			       "2026-11-21T12:01:07Z\t~\t-\t-\tstatus\t-\t-\tshop/cart\tbroken -> degraded (1 of 2 pods are ready)\n"
			       "2026-11-21T12:01:07Z\t~\t-\t-\tstatus\t-\t-\tshop/web\thealthy -> broken (0 of 2 pods are ready)\n"
			       "2026-11-21T12:01:07Z\t-\terror\tendpoints\tno-ready-endpoints\tS\t-\tshop/cart\tno pod behind shop/cart is ready?[2J\n");
	free(s);
	end(&x);
	end(&y);
}

static void json(void **state)
{
	struct scene x, y;
	(void)state;
	pair(&x, &y);
	char *s = told(&x, &y, REPORT_JSON, false, false);
	assert_true(strchr(s, '\n') == s + strlen(s) - 1);
	json_t *doc = json_loads(s, 0, NULL), *changes = json_object_get(doc, "changes");
	assert_non_null(doc);
	assert_string_equal(json_string_value(json_object_get(doc, "at")), "2026-11-21T12:01:07Z");
	assert_int_equal(json_array_size(changes), 5);
	json_t *status = json_array_get(changes, 2), *gone = json_array_get(changes, 4);
	assert_string_equal(json_string_value(json_object_get(status, "from")), "broken");
	assert_string_equal(json_string_value(json_object_get(status, "to")), "degraded");
	assert_string_equal(json_string_value(json_object_get(gone, "change")), "gone");
	assert_string_equal(json_string_value(json_object_get(json_object_get(gone, "finding"), "id")), "a");
	assert_int_equal(json_array_size(json_object_get(doc, "services")), 2);
	json_decref(doc);
	free(s);
	end(&x);
	end(&y);
}

/* A thousand Services that change at once are not a thousand lines. */
static void a_flood(void **state)
{
	static struct k8s_service many[1000];
	static char names[1000][8];
	struct scene x, y;
	(void)state;
	begin(&x);
	begin(&y);
	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		(void)snprintf(names[i], sizeof(names[i]), "s%04zu", i);
		many[i].meta = (struct k8s_meta){ .ns = "shop", .name = names[i] };
		status(&x, &many[i], STATUS_HEALTHY, NULL);
		status(&y, &many[i], STATUS_BROKEN, NULL);
	}
	digest(&x);
	digest(&y);
	char *s = told(&x, &y, REPORT_TEXT, false, false);
	size_t lines = 0;
	for (const char *p = s; *p; p++) {
		lines += *p == '\n';
	}
	assert_int_equal(lines, 12);
	assert_non_null(strstr(s, "and 990 more (-v shows all of them)\n"));
	assert_non_null(strstr(s, "1000 Services: 1000 broken\n"));
	free(s);
	s = told(&x, &y, REPORT_TEXT, false, true);
	assert_non_null(strstr(s, "shop/s0999: healthy -> broken\n"));
	free(s);
	end(&x);
	end(&y);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_changes),	    cmocka_unit_test(all_kinds_of_changes),
		cmocka_unit_test(a_line_and_a_service_that_goes), cmocka_unit_test(out_of_sight_is_not_gone),
		cmocka_unit_test(services_out_of_sight), cmocka_unit_test(no_longer_asked_for),    cmocka_unit_test(a_node_out_of_sight),
		cmocka_unit_test(text),			    cmocka_unit_test(json),
		cmocka_unit_test(a_flood),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
