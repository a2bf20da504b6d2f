/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which files are read, and how they are merged: client-go's tools/clientcmd/loader.go. --kubeconfig alone, and it must be there; else the
 * files of KUBECONFIG, of which those that are missing do not count; else ~/.kube/config. The first file that has a name, or a
 * current-context, wins (kubeconfig-file.c keeps what is there).
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "kubeconfig-private.h"

#define FILE_MAX (32u << 20)
enum { FILES_MAX = 200, PATH_LIMIT = 4096 };

/* ---- paths ---- */

/* The path as it stands, "." for the folder of a name without slash. */
static const char *folder_of(struct arena *arena, const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? arena_strndup(arena, path, (size_t)MAX(slash - path, 1)) : arena_strdup(arena, ".");
}

/* Appends the elements of @path; the buffer is "" or begins with a slash. */
static void add_elements(struct strbuf *b, const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && memcmp(path, "..", 2) == 0) {
			while (b->len > 0 && b->s[b->len - 1] != '/')
				b->len--;
			b->len -= b->len > 0;
			if (b->s)
				b->s[b->len] = '\0';
		} else if (n > 0 && !(n == 1 && *path == '.')) {
			strbuf_addc(b, '/');
			strbuf_add(b, path, n);
		}
		path += n + (path[n] == '/');
	}
}

const char *path_join(struct arena *arena, const char *folder, const char *path)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;

	if (*path == '/')
		return arena_strdup(arena, path);
	if (*folder != '/') {
		char here[PATH_LIMIT];

		if (!getcwd(here, sizeof(here)))
			return arena_strdup(arena, path); /* nobody knows where we are: the kernel does */
		add_elements(&b, here);
	}
	add_elements(&b, folder);
	add_elements(&b, path);
	return b.failed ? NULL : arena_strdup(arena, b.len ? strbuf_str(&b) : "/");
}

/* ---- files ---- */

/* A pipe or a device, such as /dev/null: until its end. */
static int read_stream(struct arena *arena, const char *path, size_t max, struct kc_data *ret)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), r = 0;
	char part[4096];
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	(void)fcntl(fd, F_SETFL, 0); /* only the opening must not wait */
	while (n > 0 && r == 0) {
		n = read(fd, part, sizeof(part));
		if (n > 0)
			strbuf_add(&b, part, (size_t)n);
		if (n < 0)
			r = -errno;
		else if (b.len > max)
			r = SD_ELIMIT;
	}
	(void)close(fd);
	ret->size = b.len;
	ret->v = r == 0 && !b.failed ? arena_strndup(arena, strbuf_str(&b), b.len) : NULL;
	return r < 0 ? r : ret->v ? 0 : -ENOMEM;
}

int kubeconfig_read(struct arena *arena, const char *path, size_t max, struct kc_data *ret)
{
	char *data;
	int r = file_read_at(AT_FDCWD, path, max, &data, &ret->size);

	if (r == -EINVAL)
		return read_stream(arena, path, max, ret);
	if (r < 0)
		return r;
	ret->v = arena_strndup(arena, data, ret->size);
	free(data);
	return ret->v ? 0 : -ENOMEM;
}

/* 0, -ENOENT, or another code with a note. */
static int add_file(struct arena *arena, const char *path, struct sd_notes *notes, struct kubeconfig *k)
{
	const char *folder = folder_of(arena, path), *absolute = folder ? path_join(arena, folder, "") : NULL;
	struct kc_data text;
	int r = absolute ? kubeconfig_read(arena, path, FILE_MAX, &text) : -ENOMEM;

	if (r == -ENOENT || r == -ENOMEM)
		return r;
	if (r < 0) {
		sd_note_add(notes, true, "kubeconfig-unreadable", path, 0, 0, "name another one with --kubeconfig", "cannot read kubeconfig '%s': %s", path, sd_strerror(r));
		return SD_EUSAGE;
	}
	if (array_push(&k->files, path) < 0)
		return -ENOMEM;
	return kubeconfig_decode(arena, text.v, text.size, path, absolute, notes, k);
}

static bool has(const char *const *v, size_t len, const char *s)
{
	for (size_t i = 0; i < len; i++) {
		if (strcmp(v[i], s) == 0)
			return true;
	}
	return false;
}

/* The files of KUBECONFIG: each one once; all that are damaged are named. */
static int add_list(struct arena *arena, const char *list, struct sd_notes *notes, struct kubeconfig *k)
{
	int result = 0;

	for (size_t files = 0; *list && files < FILES_MAX; files++) {
		size_t n = strcspn(list, ":");
		const char *path = arena_strndup(arena, list, n);
		int r = 0;

		if (!path)
			return -ENOMEM;
		if (n > 0 && !has(k->files.v, k->files.len, path) && !has(k->missing.v, k->missing.len, path))
			r = add_file(arena, path, notes, k);
		if (r == -ENOENT)
			r = array_push(&k->missing, path);
		if (r == -ENOMEM)
			return r;
		result = r < 0 ? r : result;
		list += n + (list[n] == ':');
	}
	return result;
}

/* The name of very old days, too, which kubectl would copy to the new one. */
static int add_home(struct arena *arena, struct sd_notes *notes, struct kubeconfig *k)
{
	static const char *const names[] = { "config", ".kubeconfig" };
	const char *home = getenv("HOME");
	int r = -ENOENT;

	for (size_t i = 0; i < ARRAY_LEN(names) && r == -ENOENT; i++) {
		const char *path = arena_printf(arena, "%s%s.kube/%s", home ? home : "", home && *home && !str_ends(home, "/") ? "/" : "", names[i]);

		r = path ? add_file(arena, path, notes, k) : -ENOMEM;
	}
	return r == -ENOENT ? 0 : r;
}

int kubeconfig_load(struct arena *arena, const char *explicit_path, struct sd_notes *notes, struct kubeconfig *k)
{
	const char *list = getenv("KUBECONFIG");

	k->current = "";
	if (!explicit_path || !*explicit_path)
		return list && *list ? add_list(arena, list, notes, k) : add_home(arena, notes, k);
	int r = add_file(arena, explicit_path, notes, k);
	if (r == -ENOENT) {
		sd_note_add(notes, true, "no-kubeconfig", explicit_path, 0, 0, "without --kubeconfig, the files of KUBECONFIG or ~/.kube/config count",
			    "there is no kubeconfig '%s'", explicit_path);
		return SD_EUSAGE;
	}
	return r;
}
