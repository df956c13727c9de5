#!/bin/bash
# Process 1 of a test node, in mount, network, process, host name and IPC namespaces of its own: sets them up, starts every
# server and touches "ready" once Pods can run. Killing it takes everything along.
# usage: node-init.sh FOLDER NODE_NAME ADDRESS SERVICE_RANGE    (FOLDER as node-cluster.ts fills it, PATH with all programs)
set -euo pipefail
cd "$1"
folder=$PWD node=$2 address=$3 services=$4
mark() { echo "$(date +%s.%3N) $*"; }

wait_for() { # wait_for SECONDS WHAT COMMAND...: repeats COMMAND until it succeeds
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= end)); then
      echo "timed out waiting for $what" >&2
      exit 1
    fi
    sleep 0.1
  done
}

start() { # start NAME: runs the program of that name with its flags in args/NAME
  local flags
  mapfile -t flags <"args/$1"
  "$1" "${flags[@]}" >"logs/$1.log" 2>&1 </dev/null &
}

mark namespaces
hostname "$node"
mount --make-rshared /
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/log
# The kubelet and CNI have fixed folders in /var/lib. An overlay takes them, so that the machine's own stays untouched.
mkdir -p var-lib
mount -t tmpfs tmpfs var-lib
mkdir var-lib/upper var-lib/work
mount -t overlay overlay -o "lowerdir=/var/lib,upperdir=$folder/var-lib/upper,workdir=$folder/var-lib/work" /var/lib
mkdir -p /run/containerd certs.d kubelet logs
for file in resolv.conf hosts; do mount --bind "etc/$file" "/etc/$file"; done
# The kubelet writes these settings of the whole machine unless it finds them as it wants them.
mkdir -p sysctl
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  file=sysctl/$(basename "${setting%=*}")
  echo "${setting#*=}" >"$file"
  mount --bind "$file" "/proc/sys/${setting%=*}"
done

ip link set lo up
ip link add eth0 type veth peer name eth0-peer
ip address add "$address/24" dev eth0
ip link set eth0 up
ip link set eth0-peer up
ip route add unreachable default
ip route add "$services" dev eth0 # a ClusterIP needs a route before it is rewritten
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet
# Without the module br_netfilter a Pod does not reach itself through its Service; the rest works.
if [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]; then echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables; fi

mark servers
start containerd
start etcd
start kube-apiserver
wait_for 60 containerd test -S /run/containerd/containerd.sock
wait_for 60 "the pause image" ctr -n k8s.io images import pause.tar
mark pause image imported

export KUBECONFIG=$folder/kubeconfig
listening() { : <"/dev/tcp/$address/6443"; } # much cheaper to ask than kubectl
wait_for 120 "kube-apiserver to listen" listening
wait_for 60 kube-apiserver kubectl get --raw /readyz
mark kube-apiserver ready
for name in kube-controller-manager kube-scheduler kubelet kube-proxy coredns; do start $name; done
wait_for 120 "node Ready" kubectl wait --for=condition=Ready "node/$node" --timeout=5s
mark node Ready
wait_for 60 "the default ServiceAccount" kubectl get serviceaccount default
mark default ServiceAccount
touch ready
while :; do wait -n || true; sleep 1; done # reaps what the shims leave behind
