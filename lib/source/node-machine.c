/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this machine's files say of it: whether it is a node, its name, its resolv.conf, the configuration of its network plugin and of its
 * kubelet. Nothing here needs a right, and what needs one is left out. Files that hold credentials are never opened.
 */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundle-private.h"
#include "node-live-private.h"

#define SMALL_MAX (1u << 20)
#define CNI_DIR "/etc/cni/net.d"
#define CNI_FILES_MAX 64
#define PROCESSES_MAX 100000
#define KUBELET_CONFIG "/var/lib/kubelet/config.yaml"

/* ---- is it a node? ---- */

/*
 * In the process namespace that this program sees as its own: the kubelet of a node that is a container (kind, minikube) is in /proc of the
 * machine around it too, and is none of its.
 */
static bool is_of_here(const char *pid)
{
	char path[64], *text CLEANUP(text_free) = NULL;
	const char *at;
	size_t size;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/status", pid);
	if (file_read_at(AT_FDCWD, path, SMALL_MAX, &text, &size) < 0)
		return false;
	at = strstr(text, "\nNSpid:");
	if (!at)
		return true; /* before Linux 4.1 */
	at += strlen("\nNSpid:");
	at += strspn(at, " \t");
	at += strspn(at, "0123456789");
	return strspn(at, " \t") == strcspn(at, "\n");
}

/* The programs that are a kubelet, or hold one. */
static bool is_kubelet(const char *comm)
{
	static const char *const names[] = { "kubelet", "hyperkube", "k3s-server", "k3s-agent", NULL };

	return str_one_of(comm, strcspn(comm, "\n"), names);
}

static bool kubelet_runs(void)
{
	DIR *d CLEANUP(close_dir) = opendir("/proc");
	const struct dirent *e;
	size_t n = 0;

	while (d && n++ < PROCESSES_MAX && (e = readdir(d))) {
		char path[64], *comm CLEANUP(text_free) = NULL;
		size_t size;

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%.20s/comm", e->d_name);
		if (file_read_at(AT_FDCWD, path, 64, &comm, &size) == 0 && is_kubelet(comm) && is_of_here(e->d_name))
			return true;
	}
	return false;
}

bool node_live_is_here(void)
{
	struct stat st;

	/* a package that brings an empty folder makes no node of a machine, but one that may not be looked into is a kubelet's */
	if (access("/etc/kubernetes/kubelet.conf", F_OK) == 0 || access(KUBELET_CONFIG, F_OK) == 0)
		return true;
	if (stat("/var/lib/kubelet", &st) == 0 && S_ISDIR(st.st_mode) && (access("/var/lib/kubelet/pods", F_OK) == 0 || errno == EACCES))
		return true;
	return kubelet_runs();
}

/* As the kubelet makes it of the host name: pkg/util/node/node.go GetHostname. */
void node_machine_name(char name[static NODE_NAME_SIZE])
{
	if (gethostname(name, NODE_NAME_SIZE) < 0 || !*name)
		(void)snprintf(name, NODE_NAME_SIZE, "localhost");
	name[NODE_NAME_SIZE - 1] = '\0';
	for (char *p = name; *p; p++)
		*p = *p == '/' ? '-' : (char)tolower((unsigned char)*p);
}

/* ---- files ---- */

static int push_copy(struct node_live *l, const char *file, const char *data, size_t size)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_add(&b, data, size);
	return node_live_push(l, file, &b);
}

static int read_resolv_conf(const struct node_live *l, char **ret_data, size_t *ret_size)
{
	struct strbuf path CLEANUP(strbuf_release) = STRBUF_INIT;
	const bool of_process = l->pid && !l->netns;

	if (of_process)
		strbuf_addf(&path, "/proc/%ld/root", (long)l->pid); /* a pod's files are the pod's to write */
	else if (l->netns && !strchr(l->netns, '/'))
		strbuf_addf(&path, "/etc/netns/%s/resolv.conf", l->netns);
	else if (!l->elsewhere)
		strbuf_adds(&path, "/etc/resolv.conf");
	if (path.failed)
		return -ENOMEM;
	if (!path.len)
		return -ENOENT;
	return of_process ? file_read_below(path.s, "etc/resolv.conf", SMALL_MAX, ret_data, ret_size)
			  : file_read_at(AT_FDCWD, path.s, SMALL_MAX, ret_data, ret_size);
}

/* Of the namespace: as `ip netns exec` gives it, or that of the process. */
static int add_resolv_conf(struct node_live *l)
{
	char *data CLEANUP(text_free) = NULL;
	size_t size;
	int r = read_resolv_conf(l, &data, &size);

	return r == 0 ? push_copy(l, "resolv.conf", data, size) : r == -ENOMEM ? r : 0;
}

/* ---- whose libc? ---- */

/* Does a file stand there, below @root as if that were the root of everything? */
static bool is_below(const char *root, const char *path)
{
	char *data CLEANUP(text_free) = NULL;
	size_t size;
	int r = file_read_below(root, path, 0, &data, &size);

	return r == 0 || r == SD_ELIMIT;
}

static bool any_below(const char *root, const char *const *paths)
{
	for (; *paths; paths++)
		if (is_below(root, *paths))
			return true;
	return false;
}

/* By the loaders of programs, of which an image has one: musl's name is that of its machine, glibc's is of the ABI. */
static int libc_below(const char *root)
{
	static const char *const musl[] = { "lib/ld-musl-x86_64.so.1", "lib/ld-musl-aarch64.so.1", "lib/ld-musl-armhf.so.1",
					    "lib/ld-musl-arm.so.1", "lib/ld-musl-i386.so.1", "lib/ld-musl-powerpc64le.so.1",
					    "lib/ld-musl-s390x.so.1", "lib/ld-musl-riscv64.so.1", "lib/ld-musl-loongarch64.so.1", NULL };
	static const char *const glibc[] = { "lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1", "lib/ld-linux-armhf.so.3",
					     "lib/ld-linux.so.3", "lib/ld-linux.so.2", "lib64/ld64.so.2",
					     "lib/ld64.so.1", "lib/ld-linux-riscv64-lp64d.so.1", "lib64/ld-linux-loongarch-lp64d.so.1", NULL };
	const bool has_musl = any_below(root, musl), has_glibc = any_below(root, glibc);

	return has_musl == has_glibc ? -1 : has_musl ? LIBC_MUSL : LIBC_GLIBC;
}

static int find_libc(const struct node_live *l)
{
	char root[40];

	if (l->netns || (l->elsewhere && !l->pid))
		return -1;
	(void)snprintf(root, sizeof(root), l->pid ? "/proc/%ld/root" : "/", (long)l->pid);
	return libc_below(root);
}

/* A token may stand in the file itself (Calico's k8s_auth_token, until 2018). */
static bool holds_secret(const char *text)
{
	return strstr(text, "token\"") || strstr(text, "password\"") || strstr(text, "key_data\"");
}

static int add_cni_file(struct node_live *l, const char *name, struct sd_notes *notes)
{
	struct strbuf path CLEANUP(strbuf_release) = STRBUF_INIT;
	char *data CLEANUP(text_free) = NULL;
	size_t size;
	int r;

	strbuf_addf(&path, CNI_DIR "/%s", name);
	r = path.failed ? -ENOMEM : file_read_at(AT_FDCWD, path.s, SMALL_MAX, &data, &size);
	if (r == 0 && holds_secret(data)) {
		sd_note_add(notes, false, "secret", path.s, 0, 0, NULL, "the file holds a secret; it is left out");
		return 0;
	}
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	strbuf_reset(&path);
	strbuf_addf(&path, "cni/%s", name);
	return path.failed ? -ENOMEM : push_copy(l, path.s, data, size);
}

static int list_cni(struct file_names *ret)
{
	DIR *d CLEANUP(close_dir) = opendir(CNI_DIR);
	const struct dirent *e;

	while (d && ret->len < CNI_FILES_MAX && (e = readdir(d))) {
		if (e->d_name[0] == '.' || (!str_ends(e->d_name, ".conf") && !str_ends(e->d_name, ".conflist")))
			continue;
		if (file_names_add(ret, e->d_name) < 0)
			return -ENOMEM;
	}
	file_names_sort(ret);
	return 0;
}

static int add_cni(struct node_live *l, struct sd_notes *notes)
{
	struct file_names names CLEANUP(file_names_release) = { 0 };
	int r = list_cni(&names);

	for (size_t i = 0; r == 0 && i < names.len; i++)
		r = add_cni_file(l, names.v[i], notes);
	return r;
}

/* Its file is YAML; the form in a bundle is JSON. Headers of the URL of static pods may hold a credential. */
static int add_kubelet(struct node_live *l, struct sd_notes *notes)
{
	static const struct yaml_limits limits = { SMALL_MAX, 20000, 40 };
	char *data CLEANUP(text_free) = NULL, *text CLEANUP(text_free) = NULL;
	struct yaml_fault fault;
	json_t *o = NULL;
	size_t size;
	int r = file_read_at(AT_FDCWD, KUBELET_CONFIG, SMALL_MAX, &data, &size);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	r = yaml_to_json(data, size, &limits, &o, &fault);
	if (r == SD_EPARSE || r == SD_ELIMIT) {
		sd_note_add(notes, false, "bad-yaml", KUBELET_CONFIG, fault.line, fault.column, NULL, "%s", fault.why);
		return 0;
	}
	(void)json_object_del(o, "staticPodURLHeader");
	text = r == 0 && json_is_object(o) ? json_dumps(o, JSON_INDENT(2)) : NULL;
	json_decref(o);
	return text ? push_copy(l, "kubelet-config.json", text, strlen(text)) : r;
}

int node_machine_files(struct node_live *l, struct sd_notes *notes)
{
	int r = add_resolv_conf(l);

	l->libc = find_libc(l);
	if (r < 0 || l->elsewhere)
		return r;
	r = add_cni(l, notes);
	return r < 0 ? r : add_kubelet(l, notes);
}
