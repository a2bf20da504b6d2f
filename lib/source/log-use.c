/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Logs of the snapshot: whose they are, each once, and what kube-proxy's and the kernel's own tell of a node. One that a user names is read here, too. */

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundle-private.h"
#include "log-private.h"

bool log_program_of(const char *pod, const char *container, enum log_program *ret)
{
	if (dns_log_is(pod, container)) {
		*ret = LOG_COREDNS;
		return true;
	}
	*ret = LOG_KUBE_PROXY;
	return strcmp(container, "kube-proxy") == 0 || (str_starts(pod, "kube-proxy") && strcmp(container, "kube-rbac-proxy") != 0);
}

static bool is_same(const struct snap_log *a, const struct snap_log *b)
{
	/* logs of nobody known are those of different programs, for all that one can tell */
	if (!a->node && !a->pod && !str_same(a->file, b->file))
		return false;
	return a->program == b->program && a->previous == b->previous && str_same(a->ns, b->ns) && str_same(a->pod, b->pod) &&
	       str_same(a->container, b->container) && str_same(a->node, b->node);
}

static struct snap_log *find_log(const struct snapshot *s, const struct snap_log *what)
{
	for (size_t i = 0; i < s->logs.len; i++)
		if (is_same(&s->logs.v[i], what))
			return &s->logs.v[i];
	return NULL;
}

static int copy_names(struct arena *a, const struct snap_log *what, struct snap_log *ret)
{
	const struct {
		const char *from, **to;
	} all[] = {
		{ what->ns, &ret->ns }, { what->pod, &ret->pod }, { what->container, &ret->container }, { what->node, &ret->node }, { what->file, &ret->file },
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		*all[i].to = arena_strdup(a, all[i].from);
		if (all[i].from && !*all[i].to)
			return -ENOMEM;
	}
	return 0;
}

/* A log of the node itself, not of a pod: that is the node's by the Pod (snapshot_finish). */
static int tell_node(struct snapshot *s, const struct snap_log *l)
{
	struct snap_node *n;

	if (!l->node || l->previous || l->program == LOG_COREDNS)
		return 0;
	n = snapshot_node(s, l->node, true);
	if (!n)
		return -ENOMEM;
	n->k.log_known |= l->program == LOG_KERNEL;
	n->proxy.has_log |= l->program == LOG_KUBE_PROXY;
	return 0;
}

/* Takes @in. */
static int push_log(struct snapshot *s, const struct snap_log *what, struct log_intake *in)
{
	struct snap_log l = { .program = what->program, .previous = what->previous };
	int r, bad;

	bad = log_intake_end(in, &l);
	r = bad < 0 && bad != SD_EPARSE ? bad : copy_names(&s->arena, what, &l);
	if (r == 0 && bad == SD_EPARSE)
		sd_note_add(&s->notes, true, "bad-value", l.file, 0, 0, NULL, "the FLAG lines are no configuration of kube-proxy");
	if (r == 0)
		r = tell_node(s, &l);
	if (r == 0)
		r = array_push(&s->logs, l);
	if (r < 0)
		log_summary_release(&l.summary);
	return r;
}

int log_add(struct snapshot *s, const struct snap_log *what, struct log_intake *in)
{
	if (!find_log(s, what))
		return push_log(s, what, in);
	log_intake_free(in);
	return 0;
}

int log_use(struct snapshot *s, const struct snap_log *what, size_t lines_max, const char *data, size_t size)
{
	struct log_intake *in = log_intake_new(&s->arena, what->program, what->cut, lines_max);
	int r = in ? log_intake_feed(in, data, size) : -ENOMEM;

	if (r == 0)
		return log_add(s, what, in);
	log_intake_free(in);
	return r;
}

/* ---- in two parts ---- */

int log_use_head(struct snapshot *s, const struct snap_log *what, const char *data, size_t size)
{
	const size_t before = s->logs.len;
	int r = log_use(s, what, 0, data, size);
	struct log_summary kept, *l;

	if (r < 0 || s->logs.len == before)
		return r;
	l = &s->logs.v[before].summary;
	kept = (struct log_summary){ .version = l->version, .mode = l->mode, .starts = l->starts };
	log_summary_release(l);
	*l = kept;
	s->logs.v[before].cut = true;
	return 0;
}

int log_use_tail(struct snapshot *s, const struct snap_log *what, size_t lines_max, const char *data, size_t size)
{
	struct snap_log *head = find_log(s, what), tail = { 0 };
	struct log_intake *in = log_intake_new(&s->arena, what->program, what->cut, lines_max);
	int r = in ? log_intake_feed(in, data, size) : -ENOMEM;

	if (r < 0 || !head) {
		if (r == 0)
			return log_add(s, what, in);
		log_intake_free(in);
		return r;
	}
	r = log_intake_end(in, &tail);
	if (r < 0 && r != SD_EPARSE)
		return r;
	tail.summary.version = tail.summary.version ? tail.summary.version : head->summary.version;
	tail.summary.mode = tail.summary.mode ? tail.summary.mode : head->summary.mode;
	tail.summary.starts = MAX(tail.summary.starts, head->summary.starts); /* it may be the same one */
	log_summary_release(&head->summary);
	head->summary = tail.summary;
	head->cut = tail.cut;
	head->flags = tail.flags.known ? tail.flags : head->flags;
	return 0;
}

/* ---- named by a user ---- */

static int say(struct sd_notes *notes, const char *path, int err)
{
	if (err != -ENOMEM)
		sd_note_add(notes, true, "unreadable", path, 0, 0, NULL, "the log '%s' cannot be read: %s", path, sd_strerror(err));
	return err;
}

static int refuse_compressed(int fd, const char *path, struct sd_notes *notes)
{
	static const unsigned char heads[][4] = { { 0x1f, 0x8b, 8 }, { 0x28, 0xb5, 0x2f, 0xfd }, { 0xfd, '7', 'z', 'X' } };
	unsigned char head[4] = { 0 };
	const bool some = pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head);

	for (size_t i = 0; some && i < ARRAY_LEN(heads); i++)
		if (memcmp(head, heads[i], i == 0 ? 3 : 4) == 0) {
			sd_note_add(notes, true, "compressed", path, 0, 0, "unpack it into a pipe, and read that: --log -", "the log '%s' is compressed", path);
			return SD_EFORMAT;
		}
	return 0;
}

static int open_log(const char *path, struct stat *st, struct sd_notes *notes)
{
	/* a pipe is waited for */
	int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), r;

	if (fd < 0)
		return say(notes, path, -errno);
	r = fstat(fd, st) < 0 ? -errno : S_ISDIR(st->st_mode) ? -EISDIR : 0;
	if (r < 0)
		say(notes, path, r);
	else if (S_ISREG(st->st_mode))
		r = refuse_compressed(fd, path, notes);
	if (r == 0)
		return fd;
	(void)close(fd);
	return r;
}

/* 0: @ret is there. */
static int read_path(struct arena *arena, enum log_program program, const char *path, struct log_intake **ret, struct sd_notes *notes)
{
	struct log_intake *in CLEANUP(log_intake_drop) = NULL;
	struct stat st = { 0 };
	int fd CLEANUP(fd_close) = open_log(path, &st, notes), r;

	if (fd < 0)
		return fd;
	in = log_intake_new(arena, program, false, 0);
	if (!in)
		return -ENOMEM;
	r = log_intake_fd(in, fd, 0, UINT64_MAX);
	if (r < 0)
		return say(notes, path, r);
	*ret = take_ptr(in);
	return 0;
}

int log_source_read(struct arena *arena, enum log_program program, const char *path, struct log_summary *ret, struct sd_notes *notes)
{
	struct snap_log l = { .program = program };
	struct log_intake *in = NULL;
	int r = read_path(arena, program, path, &in, notes);

	if (r == 0)
		r = log_intake_end(in, &l);
	if (r < 0 && r != SD_EPARSE)
		return r;
	*ret = l.summary;
	return 0;
}

int log_source_add(struct snapshot *s, enum log_program program, const char *path, const char *node)
{
	struct log_intake *in = NULL;
	int r = read_path(&s->arena, program, path, &in, &s->notes);
	struct snap_log what = { .program = program, .node = node, .file = path }, *was = r < 0 || !node ? NULL : find_log(s, &what);

	if (was) { /* the one that somebody names goes before the one that lies there */
		log_summary_release(&was->summary);
		*was = s->logs.v[--s->logs.len];
	}
	return r < 0 ? r : push_log(s, &what, in);
}
