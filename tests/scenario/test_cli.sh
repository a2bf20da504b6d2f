#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The command line as a user meets it: dispatch, options, exit status, streams, completion, manual pages.
# Prints "ok NAME", "not ok NAME: why" or "skip NAME: why"; exits with 1 if a test failed. $SVCDOCTOR names the binary.
set -u
export LC_ALL=C
unset SVCDOCTOR_BUNDLE NO_COLOR
root=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
SVCDOCTOR=$(realpath "${SVCDOCTOR:-$root/build/svcdoctor}")
corpus=$root/tests/corpus
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0

ok() { echo "ok $1"; }
no() { echo "not ok $1: $2"; failed=1; }
skip() { echo "skip $1: $2"; }

# run ARGS...: in the corpus folder; leaves $rc, $work/out and $work/err.
run() {
	(cd "$corpus" && exec "$SVCDOCTOR" "$@") >"$work/out" 2>"$work/err" </dev/null
	rc=$?
}
out() { grep -qF -- "$1" "$work/out"; }
err() { grep -qF -- "$1" "$work/err"; }
# expect NAME RC [out TEXT | err TEXT | noout TEXT | noerr TEXT]...: about the last run.
expect() {
	local name=$1 want=$2 why=
	shift 2
	[ "$rc" -eq "$want" ] || why="exit status $rc instead of $want: $(head -c 300 "$work/err" | tr '\n' ' ')"
	while [ -z "$why" ] && [ $# -gt 0 ]; do
		case $1 in
		out) out "$2" || why="stdout lacks '$2'" ;;
		err) err "$2" || why="stderr lacks '$2'" ;;
		noout) ! out "$2" || why="stdout has '$2'" ;;
		noerr) ! err "$2" || why="stderr has '$2'" ;;
		silent) [ ! -s "$work/out" ] || why="stdout is not empty" ;;
		esac
		[ "$1" = silent ] && shift || shift 2
	done
	if [ -z "$why" ]; then ok "$name"; else no "$name" "$why"; fi
}
have_python() { command -v python3 >/dev/null 2>&1; }
# json NAME CODE: python statements over `d`, the document on stdout of the last run.
json() {
	local name=$1 why
	if ! have_python; then skip "$name" "no python3"; return; fi
	if why=$(python3 -c "import json,sys
d=json.load(open(sys.argv[1]))
$2" "$work/out" 2>&1); then ok "$name"; else no "$name" "$(printf %s "$why" | tail -n 1)"; fi
}

lab=lab-iptables-nft
commands="diagnose dns endpoints rules hairpin proxy trace verify connect wait collect explain rbac demo version completion"

# ---- dispatch ----
run; expect no-arguments 64 err "examples:" err "commands:" silent
[ "$(sed -n '/^examples:/,/^$/p' "$work/err" | grep -c '^  ')" -eq 5 ] && ok five-examples || no five-examples "not five"
for c in $commands; do grep -q "^  $c " "$work/err" || no "usage-lists-$c" "it does not"; done
run --help; expect help 0 out "commands:"
run --version; expect version-option 0 out "svcdoctor "
run diagnos; expect did-you-mean-command 64 err "did you mean 'diagnose'" err "see 'svcdoctor --help'" silent
run xyzzy; expect unknown-command 64 err "unknown command 'xyzzy'" noerr "did you mean"
run -n shop diagnose; expect command-first 64 err "before its options"
for c in proxie hairpins conect; do
	run "$c"; [ "$rc" -eq 64 ] && ! err "did you mean '$c'" || no "absent-$c" "exit status $rc"
done
ok absent-commands
ln -s "$SVCDOCTOR" "$work/kubectl-svcdoctor"
"$work/kubectl-svcdoctor" >"$work/out" 2>"$work/err"; rc=$?
expect kubectl-usage 64 err "usage: kubectl svcdoctor COMMAND" err "kubectl svcdoctor demo"
"$work/kubectl-svcdoctor" rules --hlp >"$work/out" 2>"$work/err"; rc=$?
expect kubectl-hint 64 err "did you mean '--help'" err "see 'kubectl svcdoctor rules --help'"
ln -s "$SVCDOCTOR" "$work/kubectl-service_doctor"
"$work/kubectl-service_doctor" diagnose --hlp >"$work/out" 2>"$work/err"; rc=$?
expect krew-hint 64 err "see 'kubectl service-doctor diagnose --help'"
"$work/kubectl-service_doctor" diagnose -A --bundle "$corpus/lab-iptables-nft" >"$work/out" 2>"$work/err"; rc=$?
expect krew-commands 1 out "kubectl service-doctor " noout "  svcdoctor "
ln -s "$SVCDOCTOR" "$work/kubectl-a\$b"
"$work/kubectl-a\$b" >"$work/out" 2>"$work/err"; rc=$?
expect odd-name 64 err "usage: svcdoctor COMMAND"
for c in $commands; do
	run "$c" --help
	[ "$rc" -eq 0 ] && out "usage: svcdoctor $c" && [ ! -s "$work/err" ] || no "help-$c" "exit status $rc"
done
ok help-of-each

# ---- options ----
run diagnose --bundel x; expect did-you-mean-option 64 err "did you mean '--bundle'" err "see 'svcdoctor diagnose --help'"
run diagnose -Z; expect unknown-letter 64 err "unknown option '-Z'"
run diagnose --bundle; expect value-missing 64 err "--bundle wants a value"
run diagnose --all-namespaces=yes; expect wrong-bool 64 err "only true or false"
run diagnose -A --bundle $lab -o yaml; expect wrong-choice 64 err "text, json, lines, junit"
run rules --bundle $lab -o junit; expect refused-format 64 err "only one of text, json, lines"
run diagnose --bundle $lab --axes rules,endpoint; expect wrong-axis 64 err "did you mean 'endpoints'"
run diagnose --bundle $lab --fail-on eror; expect wrong-severity 64 err "did you mean 'error'"
run trace outside node1:1 --mark 0x1ffffffff --bundle $lab; expect number-too-large 64 err "up to 4294967295"
run diagnose -A shop/cart --bundle $lab; expect exclusive 64 err "exclude each other"
run diagnose -Aojson --bundle=$lab; expect joined-letters 1 out '"command": "diagnose"'
run diagnose -A -o=lines --bundle $lab; expect short-equals 1 out "no-ready-endpoints"
# as kubectl reads them
run diagnose -A --bundle $lab -o lines; cp "$work/out" "$work/all"
same() { # NAME FILE: the last run printed what lies in FILE
	[ -s "$2" ] && cmp -s "$work/out" "$2" && ok "$1" || no "$1" "another report: $(head -c 300 "$work/err")"
}
run diagnose -n shop -A --bundle $lab -o lines; same all-before-namespace "$work/all"
run diagnose --all-namespaces=true --bundle $lab -o lines; same all-true "$work/all"
run diagnose -A=T -n nope --bundle $lab -o lines; same all-letter-true "$work/all"
run diagnose -n shop --bundle $lab -o lines; cp "$work/out" "$work/shop"
cmp -s "$work/shop" "$work/all" && no namespace-differs "it does not"
for flags in -nshop -n=shop "-n shop" --namespace=shop "--namespace shop" "-n default -n shop" "-A -n shop -A=false" "-n shop --all-namespaces=0" \
	"-n shop --context= --cache-dir /nonexistent -v=0 --v=0 --quiet=false"; do
	run diagnose $flags --bundle $lab -o lines; same "flags${flags// /_}" "$work/shop"
done
run diagnose -n default --bundle $lab -o lines; cp "$work/out" "$work/default"
run diagnose --namespace= --bundle $lab -o lines; same namespace-empty "$work/default"
run diagnose -n shop -n "" --bundle $lab -o lines; same namespace-empty-last "$work/default"
run diagnose -n shop -v --bundle $lab; cp "$work/out" "$work/verbose"
run diagnose -n shop --bundle $lab; cmp -s "$work/verbose" "$work/out" && no verbose-differs "it does not"
for v in -v=6 -v6 -qv1\ --quiet=false --v=2 "--v 4" --verbose=true; do run diagnose -n shop $v --bundle $lab; same "verbose$v" "$work/verbose"; done
run diagnose -n shop --v=x --bundle $lab; expect level-no-number 64 err "--v wants a number"
run diagnose --profile=cpu; expect kubectl-only 64 err "unknown option '--profile': it is kubectl's own"
run diagnose --insecure-skip-tls-verify=maybe; expect wrong-tri 64 err "only true or false"
run diagnose -n shop --bundle $lab -- cart; expect double-dash 1 out "shop/cart"
run version extra; expect argument-too-many 64 err "takes no argument 'extra'"
run trace outside --bundle $lab; expect argument-missing 64 err "SRC DST"
run verify -A; expect no-bundle 64 err "iptables-save > iptables-save.txt" \
	err "kubectl get svc,endpointslices,pods,nodes -A -o json > cluster.json" silent
SVCDOCTOR_BUNDLE=$lab run verify -A; expect bundle-from-environment 0 out "no difference"
run diagnose -A --bundle $lab --node node9; expect unknown-node 64 err "there is no node 'node9'" err "node1"

# ---- exit status ----
run diagnose -n kube-system --bundle $lab; expect sound 0
run diagnose -A --bundle $lab; expect broken 1
run diagnose -A --bundle $lab --fail-on never; expect fail-on-never 0
run diagnose api -n shop --bundle $lab; expect warning-is-no-error 0 out "warning:"
run diagnose api -n shop --bundle $lab --fail-on warning; expect fail-on-warning 1
run diagnose -n kube-system --bundle $lab --axes name; expect axis-without-source 2
run diagnose -n nope --bundle $lab; expect no-such-namespace 2 err "there is no namespace 'nope'"
run diagnose cart -n shop --bundle $lab --ignore no-ready-endpoints@shop/cart --ignore pod-crashlooping --ignore containers-not-ready
expect ignore 0 noout "no pod behind"
printf '# known\nno-ready-endpoints@shop/cart\npod-crashlooping # a comment\n\ncontainers-not-ready\n' >"$work/ignored"
run diagnose cart -n shop --bundle $lab --ignore "$work/ignored"; expect ignore-file 0
run diagnose --bundle $lab --ignore no-redy-endpoints; expect ignore-unknown 64 err "did you mean 'no-ready-endpoints'"
run diagnose crt -n shop --bundle $lab; expect not-found 1 out "there is no Service shop/crt" out "shop/cart"
run verify crt -n shop --bundle $lab; expect not-found-verify 1 out "there is no Service shop/crt"
run diagnose -A --bundle /nonexistent/x; expect bundle-missing 2 err "/nonexistent/x" silent
run diagnose -A --bundle /nonexistent/x -o json; expect bundle-missing-json 2 out '"errors"'
json bundle-missing-document 'assert d["schema_version"]==1 and d["errors"]'
json bundle-missing-keys 'assert d["services"]==[] and d["cluster"]==[] and d["healthy"] is None and len(d["not_looked_at"])==3, d'
# JSON whatever happens: NAME RC KEYS ARGS...; KEYS are those of the command, with the empty value that they must have
refused() {
	local name=$1 want=$2 keys=$3
	shift 3
	run "$@"; expect "json-$name" "$want" out '"schema_version"'
	json "json-$name-document" "assert list(d)[:6]==['schema_version','command','looked_at','not_looked_at','skipped','errors'], list(d)
assert d['errors'] and all(e['code'] and e['text'] for e in d['errors']), d['errors']
for k,v in $keys.items(): assert k in d and d[k]==v, (k, d.get(k))"
}
of_diagnose="{'command':'diagnose','healthy':None,'services':[],'cluster':[]}"
of_verify="{'command':'verify','services':0,'frontends':0,'decided':0,'nodes':[],'differences':[],'undecided':[],'broken':[],'assumed':[],'findings':[]}"
of_trace="{'command':'trace','packet':None,'meaning':[],'meant':[],'endings':[]}"
of_rules="{'command':'rules','findings':[],'rules':[]}"
of_endpoints="{'command':'endpoints','findings':[],'endpoints':[]}"
refused missing-verify 2 "$of_verify" verify -A --bundle /nonexistent/x -o json
refused missing-trace 2 "$of_trace" trace outside web --bundle /nonexistent/x -o json
refused missing-rules 2 "$of_rules" rules -A --bundle /nonexistent/x -o json
refused missing-endpoints 2 "$of_endpoints" endpoints -A --bundle /nonexistent/x -o json
refused no-bundle 64 "$of_diagnose" diagnose -A -o json
refused unknown-node 64 "$of_verify" verify -A --bundle $lab --node node9 -o json
refused unknown-places 64 "$of_trace" trace a b --bundle $lab -o json
refused wrong-option 64 "$of_rules" rules -A --bundel $lab -o json
refused wrong-option-before 64 "$of_rules" rules -A --output=json --node
refused wrong-letter 64 "$of_endpoints" endpoints -AZ -ojson
refused wrong-value 64 "$of_diagnose" diagnose -Ao=json --fail-on eror
refused too-few 64 "$of_trace" trace outside --output json
refused unknown-check 64 "{'command':'explain','checks':[]}" explain no-such-check -o json
refused unknown-command 64 "{'command':'diagnos'}" diagnos -A -o json
refused option-first 64 "{'command':None}" -o json diagnose
refused demo-argument 64 "$of_diagnose" demo extra -o json
refused no-namespace 2 "$of_diagnose" diagnose -n nope --bundle $lab -o json
refused no-rules-of-node 2 "$of_trace" trace outside 10.96.0.1:443 --node node1 --bundle lab-ipvs-first-sync -o json
refused unwritable 70 "$of_verify" verify -A --bundle $lab -o json --output-file /nonexistent/x
run diagnose -A --bundle $lab -o json -o text --bogus; expect json-not-asked-for 64 silent
run diagnose -A -- -o json; expect json-behind-dashes 64 silent
mkdir "$work/empty"
run diagnose -A --bundle "$work/empty"; expect bundle-empty 2 err "iptables-save.txt"
printf 'hello\n' >"$work/nonsense"
run diagnose -A --bundle "$work/nonsense"; expect bundle-nonsense 2
run verify -A --bundle $lab --bundle "$work/empty"; expect bundle-half 2 out "no difference"
# verify: only what counts by --fail-on, and what is broken
damaged() { rm -rf "$work/d"; cp -r "$corpus/$lab" "$work/d"; sed -i "$2" "$work/d/$1" || exit 1; }
damaged nodes/node1/iptables-nft-save.txt '0,/-A OUTPUT -j KUBE-FIREWALL/s//-A OUTPUT -j ACCEPT/'
run verify -A --bundle "$work/d"; expect verify-both 1 out "7 differences (6 of info)" out "not-refused  node1  (by" out "not-refused  node1  (info)"
run verify shop/no-match --bundle "$work/d"; expect verify-info 0 out "not-refused  node1  (info)"
run verify shop/no-match --bundle "$work/d" --fail-on warning; expect verify-info-no-warning 0
run verify shop/no-match --bundle "$work/d" --fail-on info; expect verify-info-counts 1
run verify shop/no-match --bundle "$work/d" -o json
json verify-info-document 'assert d["differences"] and {x["severity"] for x in d["differences"]}=={"info"}'
run verify shop/no-match --bundle "$work/d" -o lines; grep -q "^info	rules	not-refused	" "$work/out" && ok verify-info-lines || no verify-info-lines "no such line"
run verify shop/no-match --bundle "$work/d" -o junit; expect verify-info-junit 0 out 'failures="0"'
damaged cluster/services.json 's/"sessionAffinity": *"ClientIP"/"sessionAffinity": "None"/'
run verify -A --bundle "$work/d"; expect verify-warning 0 out "wrong-affinity  node1  (warning)" out "warning"
run verify -A --bundle "$work/d" --fail-on warning; expect verify-warning-counts 1
run diagnose -n default --bundle "$work/d"; expect diagnose-warning 0 out "warning: "
damaged nodes/node1/iptables-nft-save.txt '/-A KUBE-SERVICES -d 10.96.250.211/d'
run verify -A --bundle "$work/d"; expect verify-error 1 out "no-rule  node1" noout "(warning)"
json_error='assert {x["severity"] for x in d["differences"]}=={"error"}'
run verify -A --bundle "$work/d" --fail-on never -o json; expect verify-error-never 0; json verify-error-document "$json_error"
damaged nodes/node1/sysctl.txt 's/net.ipv4.conf.cni0.forwarding = 1/net.ipv4.conf.cni0.forwarding = 0/'
run verify -A --bundle "$work/d"; expect verify-broken 1 out "broken  ip-forward"
run verify -A --bundle "$work/d" --fail-on never; expect verify-broken-never 0
run diagnose -A --bundle "$work/d" -o json
json broken-services 'f=[x for x in d["cluster"] if x["check"]=="ip-forward-disabled"][0]
assert f["services"]==11==sum(1 for s in d["services"] for c in s["causes"] if c["id"]==f["id"]), f
assert f["fix"]==["sudo sysctl -w net.ipv4.conf.cni0.forwarding=1"], f["fix"]'
mkdir "$work/closed"; cp -r "$corpus/$lab/cluster" "$work/closed/"; chmod 000 "$work/closed"
if [ "$(id -u)" -ne 0 ]; then
	run diagnose -A --bundle "$work/closed"; expect no-permission 77 err "ermission"
elif setpriv --reuid 65534 --regid 65534 --clear-groups true 2>/dev/null; then
	# A copy, because the checkout may lie where nobody else may go.
	chmod 755 "$work"; cp "$SVCDOCTOR" "$work/program"; chmod 755 "$work/program"
	setpriv --reuid 65534 --regid 65534 --clear-groups "$work/program" diagnose -A --bundle "$work/closed" >"$work/out" 2>"$work/err"; rc=$?
	expect no-permission 77 err "ermission"
else
	skip no-permission "root reads everything, and setpriv cannot make it somebody else"
fi
chmod 755 "$work/closed"
for c in demo version explain "completion bash"; do
	run $c; [ "$rc" -eq 0 ] || no "exit-zero-$c" "exit status $rc"
done
ok exit-zero-commands

# ---- streams ----
for c in version "diagnose -A --bundle $lab" "diagnose -A -o json --bundle $lab" "completion bash"; do
	(cd "$corpus" && exec "$SVCDOCTOR" $c) >/dev/full 2>"$work/err"; rc=$?; : >"$work/out"
	expect "full-disk-${c%% *}" 70 err "cannot write to stdout"
	(cd "$corpus" && exec "$SVCDOCTOR" $c) >&- 2>"$work/err"; rc=$?
	expect "closed-stdout-${c%% *}" 70 err "cannot write to stdout"
done
run verify -A --bundle $lab --output-file "$work/report"; expect output-file 0 silent
grep -q "no difference" "$work/report" && ok output-file-contents || no output-file-contents "it lacks the report"
run verify -A --bundle $lab --output-file /nonexistent/x; expect output-file-unwritable 70 err "/nonexistent/x"
run verify -A --bundle $lab --output-file /dev/full; expect output-file-full 70 err "/dev/full"
run diagnose -A --bundle $lab; expect no-colour-in-a-pipe 1 noout $'\033'
run diagnose -A --bundle $lab --color always; expect colour-always 1 out $'\033[31m'
NO_COLOR=1 run diagnose -A --bundle $lab --color always; expect colour-asked-for 1 out $'\033[31m'

# ---- reports ----
run diagnose -A --bundle $lab
n=$(wc -l <"$work/out"); [ "$n" -le 42 ] && ok forty-lines || no forty-lines "$n lines"
cp "$work/out" "$work/diagnose"
run demo; expect demo 0 out "looked at: bundle '$lab'"
cmp -s "$work/out" "$work/diagnose" && ok demo-is-diagnose || no demo-is-diagnose "they differ"
for f in json lines junit; do
	run diagnose -A --bundle $lab -o $f; cp "$work/out" "$work/diagnose"
	run demo -o $f
	cmp -s "$work/out" "$work/diagnose" && ok "demo-is-diagnose-$f" || no "demo-is-diagnose-$f" "they differ"
done
run diagnose -A --bundle $lab -o json
json document-begins 'assert list(d)[:6]==["schema_version","command","looked_at","not_looked_at","skipped","errors"], list(d)'
json diagnose-document 'assert d["healthy"] is False or d["healthy"] is None
assert [s["service"] for s in d["services"]]==sorted(s["service"] for s in d["services"])
for s in d["services"]:
  assert set(s)>={"service","status","axes","causes","explained"}, s
  assert set(s["axes"])=={"name","endpoints","rules"}
  for f in s["causes"]+s["explained"]: assert set(f)>={"id","check","axis","severity","subject","node","text","evidence","since","next","fix","explains","services"}, f
assert [x["axis"] for x in d["not_looked_at"]]==["name"]'
run verify -A --bundle $lab -o json
json verify-document 'assert d["differences"]==[] and d["undecided"]==[] and d["broken"]==[] and d["decided"]==d["frontends"]>0'
run trace outside default/web:80 --bundle $lab --node node1 -o json
json trace-document 'assert d["packet"]["destination_port"]==80
assert abs(sum(e["weight"] for e in d["endings"])-1)<1e-6
for e in d["endings"]:
  assert set(e)>={"verdict","translated","address","port","weight","masquerade","source","delivery","interface","by","node","nodes","not_followed","path","assumed","assumes","reply"}, e
  assert set(e["reply"])=={"ok","why"} and e["path"]
  for p in e["path"]: assert set(p)>={"node","hook","by","effect"}, p'
for c in "endpoints -A" "rules -A"; do
	run $c --bundle $lab -o json; json "${c% *}-document" 'assert isinstance(d["findings"],list) and len(d[d["command"]])>0'
done
for c in version explain "explain no-ready-endpoints"; do
	run $c -o json; json "document-${c// /-}" 'assert d["schema_version"]==1 and d["command"]'
done
run diagnose -A --bundle $lab -o lines
awk -F'\t' 'NF!=7{bad=1} END{exit bad||NR==0}' "$work/out" && ok lines-fields || no lines-fields "not seven fields"
for c in diagnose verify; do
	run $c -A --bundle $lab -o junit
	if have_python; then
		python3 -c 'import sys,xml.etree.ElementTree as e; t=e.parse(sys.argv[1]).getroot(); assert int(t.get("tests"))==len(t.findall("testcase"))>0; assert int(t.get("failures"))==sum(1 for c in t if c.find("failure") is not None)' \
			"$work/out" 2>"$work/why" && ok "junit-$c" || no "junit-$c" "$(tail -n 1 "$work/why")"
	else
		skip "junit-$c" "no python3"
	fi
done
run diagnose cart -n shop --bundle $lab
expect one-service 1 out "looked at: bundle '$lab' (Kubernetes v1.36.2; rules of node1, node2)   not looked at: name" \
	out "  name       -  not looked at" out "  endpoints  x  0 of 2 pods are ready" out "cart-1" out "  rules      ok" \
	out "cause: " out "  because  " out "  next     kubectl -n shop logs cart-1 --previous"
cp -r "$corpus/$lab" "$work/it's here"
(cd "$work" && "$SVCDOCTOR" diagnose -A --bundle "it's here") >"$work/out" 2>"$work/err"; rc=$?
expect quoted-path 1 out "--bundle 'it'\\''s here'"
run diagnose -A -q --bundle $lab; expect quiet 1 noout "looked at" noout "  next"
run verify -A -q --bundle $lab; expect quiet-and-sound 0 silent
run rules web --bundle $lab; expect rules-table 0 out "KUBE-SVC-" out "KUBE-SEP-" out "FOUND" out "complete"
run endpoints cart -n shop --bundle $lab; expect endpoints-table 1 out "CrashLoopBackOff" out "17"
mkdir "$work/one"; cp "$corpus/$lab/nodes/node1/iptables-nft-save.txt" "$work/one/iptables-save.txt"
run trace outside 10.96.0.10:53/UDP --bundle "$work/one"; expect one-file 0 out "DNAT"
for c in diagnose verify rules endpoints; do
	run $c -A --bundle "$work/one"; expect "one-file-$c" 2 out "Services as the comments of the rules name them"
done
run verify -A --bundle "$work/one"; expect one-file-verified 2 out "17 Services, 30 frontends" out "no difference" out "was not checked"
run diagnose web --bundle "$work/one"; expect one-file-service 2 out "every packet goes where it must" out "default/web"

# ---- trace ----
run trace outside 10.96.0.1:443 --in nosuch --node node1 --bundle $lab; expect trace-interface 64 err "no interface 'nosuch' on node1"
run trace outside 10.96.0.1:443/foo --bundle $lab; expect trace-protocol 64 err "'foo' is no protocol"
run trace outside 10.96.0.1:99999 --bundle $lab; expect trace-port 64 err "'99999' is no port"
run trace fd00::1 fd00::2:80 --bundle $lab; expect trace-brackets 64 err "[ADDRESS]:PORT"
run trace 203.0.113.9 172.30.99.1:32035 --bundle $lab --node node1
expect trace-node-port 0 out "tcp 203.0.113.9 -> 172.30.99.1:32035   new connection, enters node1 by eth0" out "3 ways" out "1/3" \
	out "destination is an address of this node" out "dport 32035/tcp" out "32035/TCP is the node port of default/web"
run trace shop/cart-0 kube-dns.kube-system:dns --bundle $lab
expect trace-pod 0 out "is pod shop/cart-0 on node1" out "is the ClusterIP of kube-system/kube-dns, port 53/UDP 'dns'" out "enters node1 by cni0"
run trace node1 kube-system/kube-dns:5353 --bundle $lab
expect trace-wrong-port 0 out "has no port 5353/TCP; it has 53/UDP 'dns', 53/TCP 'dns-tcp', 9153/TCP 'metrics'" out "sent by node1 itself"
run trace outside example-service:9376 --bundle $lab --node node2; expect trace-target-port 0 out "9376 is the target port of 8765/TCP"
run trace outside kube-system/kube-dns --bundle $lab; expect trace-which-port 64 err "53/udp (dns)"
run trace outside headless --bundle $lab; expect trace-headless 64 err "is headless" err "one of its pods instead: default/"
run trace nobody/x default/web --bundle $lab; expect trace-unknown 64 err "'nobody/x' is no pod"
run trace default/web default/web --bundle $lab; expect trace-service-source 64 err "a Service sends nothing"
run trace outside web --bundle $lab; expect trace-all-nodes 0 out "enters node1" out "enters node2"
run trace 2001:db8::1 10.96.0.1:443 --bundle $lab; expect trace-families 64 err "families"
run trace outside '[2001:db8::1' --bundle $lab; expect trace-brackets 64 err "[ADDRESS]:PORT"
run trace outside 172.30.99.1 --bundle $lab; expect trace-no-port 64 err "which port"
run trace outside 172.30.99.1/icmp --bundle $lab; expect trace-icmp 0 out "icmp 203.0.113.9 -> 172.30.99.1 "
run trace outside https://web.default.svc.cluster.local/x --bundle $lab --node node1; expect trace-url 0 out ":443"
run trace 172.30.99.1 web --in eth0 --bundle $lab --node node1; expect trace-in 0 out "enters node1 by eth0"
run trace outside 10.96.0.10:53/udp --node node1 --bundle lab-nftables; expect trace-nft 0 out "kube-proxy nat-prerouting 1 " out "10.244.2.2:53 kube-system/coredns"
run verify -A --bundle lab-ipvs-missing-module; expect verify-not-judged 2 out "no Services are known" out "torn"
run trace node1 web --bundle "$work/one"; expect trace-without-cluster 64 err "no cluster objects"

# ---- explain, completion ----
run explain no-redy-endpoints; expect explain-near 64 err "did you mean 'no-ready-endpoints'"
run explain no-ready-endpoints; expect explain-one 0 out "what it means"
run completion bsh; expect completion-near 64 err "did you mean 'bash'"
run completion bash; cp "$work/out" "$work/c.bash"
if bash -n "$work/c.bash"; then ok completion-bash-syntax; else no completion-bash-syntax "bash -n fails"; fi
run completion zsh; expect completion-zsh 0 out "#compdef svcdoctor"
run completion fish; expect completion-fish 0 out "complete -c svcdoctor"

# ---- manual pages ----
for c in $commands; do
	page=$root/man/svcdoctor-$c.1
	[ -f "$page" ] || { no "man-$c" "there is no page"; continue; }
	run "$c" --help
	sed '/^and kubectl/,$d' "$work/out" >"$work/own"
	sed -n 's/^ *\(-[a-zA-Z], \)\?--\([a-z-]*\).*/\2/p' "$work/own" | sort >"$work/table"
	sed -n 's/^\.It .*Fl -\([a-z-]*\).*/\1/p' "$page" | sort >"$work/page"
	cmp -s "$work/table" "$work/page" && ok "man-options-$c" || no "man-options-$c" "$(diff "$work/table" "$work/page" | grep '^[<>]' | tr '\n' ' ')"
	# kubectl's flags are told once, in svcdoctor(1), and every page of a command that takes them says so
	if grep -q '^and kubectl' "$work/out"; then
		sed -n '/^and kubectl/,/^$/{/^  --/p}' "$work/out" | grep -o -- '--[a-z-]*' | sed 's/^--//' | sort >"$work/table"
		sed -n '/^\.Sh THE CLUSTER/,/^\.Sh ENV/s/^\.It .*Fl -\([a-z-]*\).*/\1/p' "$root/man/svcdoctor.1" | sort >"$work/page"
		cmp -s "$work/table" "$work/page" && [ "$(wc -l <"$work/table")" -ge 17 ] ||
			no "man-kubectl-$c" "$(diff "$work/table" "$work/page" | grep '^[<>]' | tr '\n' ' ')"
		grep -q '^\.Xr kubectl 1' "$page" || no "man-kubectl-$c" "the page does not speak of kubectl's flags"
	fi
	sed -n 's/^ *-\([a-zA-Z]\), --.*/\1/p' "$work/own" | sort >"$work/table"
	sed -n 's/^\.It Fl \([a-zA-Z]\) .*/\1/p' "$page" | sort >"$work/page"
	cmp -s "$work/table" "$work/page" || no "man-letters-$c" "they differ"
	grep -q "svcdoctor-$c 1" "$root/man/svcdoctor.1" || no "man-overview-$c" "svcdoctor(1) does not name it"
done
if command -v mandoc >/dev/null 2>&1; then
	lint=$(mandoc -T lint -W warning "$root"/man/*.[15] 2>&1) && ok man-lint || no man-lint "$(printf %s "$lint" | head -n 1)"
else
	skip man-lint "no mandoc"
fi
exit $failed
