#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Writes what this node says of its network to stdout: a tar that svcdoctor reads as a bundle. As root on the node, or from elsewhere:
#
#   svcdoctor collect --script node | ssh root@NODE sh > node.tar
#   svcdoctor diagnose --bundle node.tar --bundle cluster.tar.gz
#
# It runs ordinary commands that only look, loads no module, and writes nothing but a temporary folder, which it removes. A command that is
# missing or fails leaves its file out. A file of 0 bytes means: it is known that there is nothing.
#
# It asks kube-proxy's own ports on this node, and sends nothing to anybody else, unless it is told to: with `sh -s -- --dns [NAME...]` it asks the cluster's DNS, as the kubelet is configured, and
# the name servers of this node for kubernetes.default and these names, by dig, kdig or nslookup.

say() { echo "svcdoctor: $*" >&2; }

# NAME : $program is the program of this name, and not what the shell (busybox) has under it
has() {
	IFS=:
	for dir in $PATH; do
		program=$dir/$1
		[ -x "$program" ] && [ ! -d "$program" ] && unset IFS && return
	done
	unset IFS
	return 1
}

# MODULE FUNCTION : 0: the kernel has it, 1: it has not, 2: that is not known; what is built in is not always among the modules
loaded() {
	[ -d "/sys/module/$1" ] && return
	[ -e /proc/modules ] || return 0 # a kernel without modules
	grep -q "^$1 " /proc/modules && return
	[ -r /proc/kallsyms ] || return 2
	grep -q " $2" /proc/kallsyms
}

# COMMAND... : with a time limit, where there is one
limited() {
	if has timeout; then "$program" 60 "$@"; else "$@"; fi
}

# NAME ARGUMENT... : by its path
look() {
	has "$1" || return 127
	shift
	limited "$program" "$@"
}

# FILE COMMAND... : its output becomes the file, if it succeeds
keep() {
	file=$1
	shift
	if look "$@" >"$top/part" 2>/dev/null </dev/null; then
		mv "$top/part" "$node/$file"
	else
		missing="$missing $file"
	fi
}

# the same, and the output begins with [ or {
keep_json() {
	file=$1
	shift
	if look "$@" >"$top/part" 2>/dev/null </dev/null; then
		case $(head -c 1 "$top/part") in
		'[' | '{') mv "$top/part" "$node/$file" && return ;;
		esac
	fi
	missing="$missing $file"
}

# FILE... : there is nothing, and that is known
nothing() {
	for file; do : >"$node/$file"; done
}

# The tables that /proc lists; a table that is not there would be made by opening it.
legacy() { # FAMILY: "" or 6
	names=/proc/net/ip${1}_tables_names
	save=ip${1}tables-legacy-save
	if [ ! -e "$names" ] || { [ -r "$names" ] && [ -z "$(cat "$names")" ]; }; then
		nothing "$save.txt"
	elif has "$save"; then
		keep "$save.txt" "$save"
	elif look "ip${1}tables-save" -V 2>/dev/null </dev/null | grep -qv nf_tables; then
		keep "$save.txt" "ip${1}tables-save"
	else
		missing="$missing $save.txt"
	fi
	[ -e "$node/$save.txt" ] || unread="$unread $save.txt"
}

nft_save() { # FAMILY: "" or 6
	save=ip${1}tables-nft-save
	if has "$save"; then
		keep "$save.txt" "$save"
	elif look "ip${1}tables-save" -V 2>/dev/null </dev/null | grep -q nf_tables; then
		keep "$save.txt" "ip${1}tables-save"
	else
		missing="$missing $save.txt"
	fi
}

rules() {
	loaded nf_tables nf_tables_newtable
	case $? in
	0)
		nft_save ""
		nft_save 6
		keep_json nft-ruleset.json nft -j list ruleset
		;;
	1) nothing iptables-nft-save.txt ip6tables-nft-save.txt nft-ruleset.json ;;
	*) missing="$missing iptables-nft-save.txt ip6tables-nft-save.txt nft-ruleset.json" ;;
	esac
	legacy ""
	legacy 6
	loaded ip_set ip_set_create
	case $? in
	0) keep ipset-save.txt ipset save ;;
	1) nothing ipset-save.txt ;;
	*) missing="$missing ipset-save.txt" ;;
	esac
	if [ -e /proc/net/ip_vs ]; then
		keep ipvsadm-save.txt ipvsadm -Sn
		keep ipvsadm-ln.txt ipvsadm -ln
	elif [ -e /proc/net/dev ]; then
		nothing ipvsadm-save.txt
	fi
}

routes() { look ip -j route show table all && look ip -j -6 route show table all; }
policy() { look ip -j rule && look ip -j -6 rule; }
# As far as they can be read; a secret stays here.
sysctls() {
	look sysctl -a 2>/dev/null | grep -v stable_secret >"$top/sysctl"
	grep -q '^net\.ipv4\.ip_forward ' "$top/sysctl" && cat "$top/sysctl"
}

# FILE COMMAND... : its output becomes the file, where there is any; nobody misses it
optional() {
	file=$1
	shift
	"$@" >"$top/part" 2>/dev/null </dev/null
	[ ! -s "$top/part" ] || mv "$top/part" "$node/$file"
}

# Of tunnels: what the network card is trusted with.
offloads() {
	for kind in vxlan geneve; do
		look ip -o link show type "$kind" | cut -d: -f2 | cut -d@ -f1 | while read -r link; do look ethtool -k "$link"; done
	done
}
neighbours() {
	for f in arp_cache ndisc_cache; do
		[ -r "/proc/net/stat/$f" ] && echo "==> $f <==" && cat "/proc/net/stat/$f"
	done
}
# Who holds the lock of iptables.
locks() {
	look stat -c '%d %i %n' /run/xtables.lock || return
	cat /proc/locks
	inode=$(stat -c %i /run/xtables.lock)
	sed -n "s/^[0-9]*: [A-Z]* *[A-Z]* *[A-Z]* *\([0-9]*\) [0-9a-f:]*:$inode .*/\1/p" /proc/locks | head -n 8 | while read -r pid; do
		look ps -o pid=,comm= -p "$pid"
	done
}
# How many clients session affinity keeps, of how many at most.
recent() {
	grep -H . /sys/module/xt_recent/parameters/ip_list_tot
	find /proc/net/xt_recent/ -type f -exec wc -l {} +
}
versions() {
	look nft --version
	look iptables --version
}

# A table of millions would take minutes, and nobody would read it.
connections() {
	count=$(cat /proc/sys/net/netfilter/nf_conntrack_count 2>/dev/null)
	if has conntrack && loaded nf_conntrack_netlink ctnetlink_dump_table; then
		keep conntrack-stats.txt conntrack -S
		[ "${count:-1000000}" -le 100000 ] && keep conntrack.txt conntrack -L -o extended
	elif [ -r /proc/net/nf_conntrack ]; then
		[ "${count:-1000000}" -le 100000 ] && optional conntrack.txt cat /proc/net/nf_conntrack
	fi
}

facts() {
	keep_json ip-addr.json ip -j addr
	keep_json ip-link.json ip -j -d link
	keep_json ip-neigh.json ip -j neigh
	keep_json bridge-fdb.json bridge -j fdb show
	keep ss.txt ss -lntu
	keep lsmod.txt lsmod
	keep uname.txt uname -a
	optional nstat.txt look nstat -asz
	optional ethtool.txt offloads
	optional lnstat.txt neighbours
	optional locks.txt locks
	optional versions.txt versions
	[ ! -d /proc/net/xt_recent ] || optional xt-recent.txt recent
	[ ! -e /proc/net/ip_vs ] || optional ipvsadm-timeout.txt look ipvsadm -l --timeout
	for f in ip-route.json:routes ip-rule.json:policy sysctl.txt:sysctls; do
		if ${f#*:} >"$top/part" 2>/dev/null </dev/null && [ -s "$top/part" ]; then
			mv "$top/part" "$node/${f%:*}"
		else
			missing="$missing ${f%:*}"
		fi
	done
	connections
}

files() {
	[ -r /etc/resolv.conf ] && keep resolv.conf cat /etc/resolv.conf
	if [ -r /var/lib/kubelet/config.yaml ] && ! grep -q staticPodURLHeader /var/lib/kubelet/config.yaml; then
		keep kubelet-config.json cat /var/lib/kubelet/config.yaml
	fi
	for f in /etc/cni/net.d/*.conf /etc/cni/net.d/*.conflist; do
		if [ -f "$f" ] && [ -r "$f" ] && ! grep -qiE '(token|password|key_data)"' "$f"; then
			mkdir -p "$node/cni"
			keep "cni/${f##*/}" cat "$f"
		fi
	done
}

# kube-proxy's log, wherever it runs: of a pod the kubelet's file of its last run, and that of the run before; a file of its own; or the journal.
proxy_log() {
	log=$(ls -t /var/log/pods/kube-system_kube-proxy*/kube-proxy/*[0-9].log /var/log/kube-proxy.log 2>/dev/null | head -n 1)
	if [ -n "$log" ]; then
		[ -f "$log" ] && tail -n 5000 "$log"
	elif [ -d /run/systemd/journal ] || [ -d /var/log/journal ]; then
		look journalctl -u kube-proxy -o json --no-pager -n 5000
	fi
}
log_before() {
	log=$(ls -t /var/log/pods/kube-system_kube-proxy*/kube-proxy/*[0-9].log /var/log/kube-proxy.log 2>/dev/null | head -n 1)
	run=${log##*/}
	run=${run%.log}
	case $run in '' | *[!0-9]* | 0*) return ;; esac
	[ -f "${log%/*}/$((run - 1)).log" ] && tail -n 5000 "${log%/*}/$((run - 1)).log"
}
kernel_log() {
	look dmesg --time-format=iso || TZ=UTC look dmesg -T || look dmesg
}
# Those of the machine, and not of a namespace beside it.
logs() {
	first=/proc/1/ns/net
	readlink "$first" >/dev/null 2>&1 || first=/proc/$PPID/ns/net
	[ "$first" -ef /proc/self/ns/net ] || return
	optional kube-proxy.log proxy_log
	optional kube-proxy.previous.log log_before
	optional dmesg.txt kernel_log
}

# The addresses in a text; no names.
addresses() { grep -oE '([0-9]{1,3}\.){3}[0-9]{1,3}|[0-9a-fA-F]{1,4}:[0-9a-fA-F:]*:[0-9a-fA-F:]*'; }

# The command line, as a shell shows it, and what it prints; whether it fails or not, that is an answer.
question() {
	echo "\$ $*"
	look "$@" 2>&1 </dev/null
}
ask() { # SERVER NAME TYPE
	if has dig; then
		question dig +time=2 +tries=2 +ignore "@$1" "$2." "$3"
	elif has kdig; then
		question kdig +time=2 +retry=1 +ignore "@$1" "$2." "$3"
	else
		question nslookup "-type=$3" "$2." "$1"
	fi
}
ask_all() { # NAME...
	{ has dig || has kdig || has nslookup; } || return
	config=/var/lib/kubelet/config.yaml
	domain=$(sed -n 's/^clusterDomain:[ "]*\([a-zA-Z0-9.-]*\).*/\1/p' "$config" 2>/dev/null)
	servers=$({
		sed -n '/^clusterDNS:/,/^[a-zA-Z]/p' "$config"
		sed -n 's/^nameserver//p' /etc/resolv.conf
	} 2>/dev/null | addresses)
	for server in $servers; do
		for n in "kubernetes.default.svc.${domain:-cluster.local}" "$@"; do
			ask "$server" "${n%.}" A
			ask "$server" "${n%.}" AAAA
		done
	done
}
names() {
	ask_all "$@" >"$top/part"
	if [ -s "$top/part" ]; then
		mv "$top/part" "$node/dns.txt"
	else
		missing="$missing dns.txt"
	fi
}

# kube-proxy's processes in this network namespace, and of programs that have it inside, whose command lines are not shown; $pid is one of the first kind.
processes() {
	pid=
	kubelet=
	hz=$(getconf CLK_TCK 2>/dev/null)
	read -r up _ </proc/uptime
	for p in /proc/[0-9]*; do
		[ "$p/ns/net" -ef /proc/self/ns/net ] || continue
		comm=
		read -r comm <"$p/comm" || continue
		case $comm in
		kube-proxy) args=$(tr '\000\n' '  ' <"$p/cmdline") pid=${p#/proc/} ;;
		hyperkube) args=$(tr '\000\n' '  ' <"$p/cmdline") kubelet=1 ;;
		k3s-server | k3s-agent | kubelite) args=$comm kubelet=1 ;;
		kubelet) kubelet=1 && continue ;;
		*) continue ;;
		esac
		start=$(sed 's/.*) //' "$p/stat" | cut -d' ' -f20) # proc(5): field 22, and the first two are cut off
		[ -n "$start" ] && [ -n "$args" ] && echo "${p#/proc/} $((${up%%.*} - start / ${hz:-100})) ${args% }"
	done
}
# That there is none is known where all processes of the node can be seen.
sees_all() {
	[ /proc/1/ns/net -ef /proc/self/ns/net ] || return
	[ -n "$kubelet" ] || [ "$(readlink /proc/self/ns/pid)" = 'pid:[4026531836]' ]
}

# FLAG KEY PORT : where a server of kube-proxy is: as its command line or its configuration says; nothing: that is not known
address() {
	case " $args" in
	*" --$1="*) at=${args#*--"$1"=} at=${at%% *} ;;
	*" --config="*)
		at=${args#*--config=} at=/proc/$pid/root${at%% *}
		[ -r "$at" ] || return
		at=$(sed -n "s/^$2: *[\"']\{0,1\}\([^\"' ]*\).*/\1/p" "$at")
		;;
	*" --config "* | *" --$1 "*) return ;;
	*) at= ;;
	esac
	case $at in
	'' | 0.0.0.0 | ::) echo "127.0.0.1:$3" ;;
	0.0.0.0:* | '[::]':*) echo "127.0.0.1:${at##*:}" ;;
	*:*) echo "$at" ;;
	esac
}

# NAME FILE ADDRESS : a page of kube-proxy becomes a file, and how it ended a line
page() {
	part=$top/http.$1
	if has curl; then
		status=$("$program" -sg --noproxy '*' --max-time 3 --max-filesize 16777216 -o "$part" -w '%{http_code}' "http://$3/$1" 2>/dev/null </dev/null)
		case $? in
		0) echo "$1 $status" ;;
		7) [ -n "$pid" ] && echo "$1 refused" ;;
		28) echo "$1 silent" ;;
		*) echo "$1 strange" ;;
		esac >"$part.end"
	else
		status=200
		wget -q -T 3 -O "$part" "http://$3/$1" 2>/dev/null </dev/null || status=
		echo "$1 ${status:-0}" | grep -v ' 0$' >"$part.end"
	fi
	case $status:$1 in
	200:* | 503:healthz | 503:livez) [ -s "$part" ] && mv "$part" "$node/$2" ;;
	esac
}
# On this node's own addresses.
proxy() {
	unset http_proxy https_proxy all_proxy ALL_PROXY
	if processes >"$top/ps" 2>/dev/null && { [ -s "$top/ps" ] || sees_all; }; then
		mv "$top/ps" "$node/ps.txt"
	fi
	args=
	[ -n "$pid" ] && args=$(tr '\000\n' '  ' <"/proc/$pid/cmdline")
	health=$(address healthz-bind-address healthzBindAddress 10256)
	metrics=$(address metrics-bind-address metricsBindAddress 10249)
	if [ -n "$health" ]; then
		page healthz kube-proxy-healthz.json "$health" &
		page livez kube-proxy-livez.json "$health" &
	fi
	if [ -n "$metrics" ]; then
		page proxyMode kube-proxy-mode.txt "$metrics" &
		page configz kube-proxy-configz.json "$metrics" &
		page metrics kube-proxy-metrics.txt "$metrics" &
	fi
	wait
	for f in healthz livez proxyMode configz metrics; do
		[ ! -s "$top/http.$f.end" ] || cat "$top/http.$f.end"
	done >"$top/part"
	[ ! -s "$top/part" ] || mv "$top/part" "$node/kube-proxy-http.txt"
}

# Legacy tables that are there and could not be read are not to be taken as empty.
about() {
	case $name in *[!a-zA-Z0-9._-]*) unread= ;; esac # no text of JSON
	printf '{"schema": "svcdoctor.bundle/1", "created": "%s", "origin": {"missing": [' "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
	comma=
	for f in $unread; do
		printf '%s{"what": "nodes/%s/%s", "code": "unreadable", "text": "it could not be read on the node", "needed": true}' "$comma" "$name" "$f"
		comma=,
	done
	echo ']}}'
}

main() {
	dns=
	case ${1-} in
	'') ;;
	--dns) dns=1 && shift ;;
	*) say "'$1' means nothing here: --dns [NAME...] asks DNS" && exit 64 ;;
	esac
	for n; do
		case $n in '' | -* | *[!a-zA-Z0-9._-]*) say "'$n' is no name that DNS could be asked for" && exit 64 ;; esac
	done
	if [ -t 1 ]; then
		say "stdout is a terminal: send the tar to a file"
		exit 64
	fi
	PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
	LC_ALL=C
	export PATH LC_ALL
	umask 077
	missing=
	unread=
	name=$(uname -n | tr '[:upper:]' '[:lower:]')
	case $name in '' | .* | */*) name=node ;; esac
	top=$(mktemp -d "${TMPDIR:-/tmp}/svcdoctor.XXXXXX") || exit 1
	trap 'rm -rf "$top"' EXIT
	trap 'exit 1' HUP INT TERM PIPE
	node=$top/bundle/nodes/$name
	mkdir -p "$node" || exit 1
	[ "$(id -u)" = 0 ] || say "this is not root: the rules cannot be read"
	rules
	facts
	files
	logs
	proxy
	[ -z "$dns" ] || names "$@"
	about >"$top/bundle/bundle.json"
	[ -z "$missing" ] || say "left out:$missing"
	tar -cf - -C "$top/bundle" bundle.json nodes
}

# In one piece, so that half of it does nothing.
main "$@"
