/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clusters for the tests of lib/checks: opened, copied and damaged, or read from JSON within a test. */
#include "lab.h"

#include <unistd.h>

#include <svcdoctor/source.h>

void lab_release(struct lab *l)
{
	diagnosis_release(&l->d);
	snapshot_release(&l->s);
}

void diagnose(struct lab *l, const struct diagnose_options *o)
{
	static const struct diagnose_options all = { .axes = { true, true, true } };

	assert_int_equal(diagnose_run(&l->s, o ? o : &all, &l->d), 0);
}

void lab_open(struct lab *l, const char *path)
{
	memset(l, 0, sizeof(*l));
	snapshot_init(&l->s);
	assert_int_equal(bundle_open(&l->s, path), 0);
	assert_int_equal(snapshot_finish(&l->s), 0);
}

static void read_one(struct snapshot *s, const char *file, const char *json)
{
	char *copy = strdup(json);

	assert_non_null(copy);
	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	assert_int_equal(read_cluster_json(s, file, copy, strlen(copy), file), 0);
	if (s->notes.len)
		fail_msg("%s: %s", s->notes.v[0].file, s->notes.v[0].text);
	free(copy);
}

void lab_read(struct lab *l, const char *const docs[])
{
	memset(l, 0, sizeof(*l));
	snapshot_init(&l->s);
	for (size_t i = 0; docs[i]; i += 2)
		read_one(&l->s, docs[i], docs[i + 1]);
	assert_int_equal(snapshot_finish(&l->s), 0);
}

const struct service_result *result_of(const struct lab *l, const char *ns, const char *name)
{
	for (size_t i = 0; i < l->d.services.len; i++) {
		const struct k8s_meta *m = &l->d.services.v[i].service->meta;

		if (strcmp(m->ns, ns) == 0 && strcmp(m->name, name) == 0)
			return &l->d.services.v[i];
	}
	fail_msg("no result for %s/%s", ns, name);
	return NULL;
}

const struct finding *find_finding(const struct lab *l, const char *id)
{
	for (size_t i = 0; i < l->d.findings.len; i++)
		if (strcmp(l->d.findings.v[i]->check->id, id) == 0)
			return l->d.findings.v[i];
	return NULL;
}

bool has_text(const struct finding *f, const char *text)
{
	for (size_t i = 0; i < f->evidence.len; i++)
		if (strstr(f->evidence.v[i], text))
			return true;
	for (size_t i = 0; i < f->next.len; i++)
		if (strstr(f->next.v[i], text))
			return true;
	for (size_t i = 0; i < f->fix.len; i++)
		if (strstr(f->fix.v[i], text))
			return true;
	return strstr(f->text, text) != NULL;
}

/* ---- damaged copies ---- */

void lab_copy(char dir[static sizeof(LAB_DIR)])
{
	char command[512];

	assert_non_null(mkdtemp(dir));
	snprintf(command, sizeof(command), "cp -r %s/. %s", LAB, dir);
	assert_int_equal(system(command), 0);
}

void lab_remove(const char *dir)
{
	char command[512];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

void lab_change(const char *dir, const char *file, bool (*change)(struct lab_line *l), struct lab_line *l)
{
	char path[256];
	FILE *in, *out;

	snprintf(path, sizeof(path), "%s/nodes/node1/%s", dir, file);
	in = fopen(path, "r");
	assert_non_null(in);
	assert_int_equal(unlink(path), 0); /* what was read stays open: the copy may be a link */
	out = fopen(path, "w");
	assert_non_null(out);
	while (fgets(l->text, sizeof(l->text), in)) {
		bool stays;

		l->before = NULL;
		l->skip = 0;
		stays = change(l);
		fputs(l->before ? l->before : "", out);
		fputs(stays ? l->text + l->skip : "", out);
	}
	assert_true(l->found);
	assert_int_equal(fclose(in), 0);
	assert_int_equal(fclose(out), 0);
}

static bool replace_line(struct lab_line *l)
{
	if (l->found || !strstr(l->text, l->find))
		return true;
	l->found = true;
	l->before = l->put + (l->put[0] == '+');
	return l->put[0] == '+';
}

void damage(const char *dir, const char *file, const char *find, const char *put)
{
	struct lab_line l = { .find = find, .put = put };

	lab_change(dir, file, replace_line, &l);
}
