"""guest-network-get-interfaces with links of the kinds that only a guest's kernel knows here, held against ip(8)."""

import ipaddress
import json

# Each with an address, where it can have one.
MAKE_LINKS = """
set -e
modprobe -a 8021q bonding dummy ip_gre ipip sit ip6_gre macvlan vxlan bridge veth
ip link add base type dummy; ip link set base up; ip address add 10.70.0.1/24 dev base
ip link add link base name base.7 type vlan id 7; ip address add 10.70.7.1/16 dev base.7; ip link set base.7 up
ip link add bond7 type bond; ip address add 10.71.0.1/8 dev bond7
ip link add under type dummy; ip link set under master bond7; ip link set bond7 up
ip link add bridge7 type bridge; ip link add left type veth peer name right; ip link set left master bridge7
ip link set left up; ip link set right up; ip address add 10.72.0.1/31 dev right
ip link add gre7 type gre local 10.70.0.1 remote 10.70.0.2; ip address add 10.73.0.1 peer 10.73.0.2/30 dev gre7
ip link add ipip7 type ipip local 10.70.0.1 remote 10.70.0.3; ip address add 10.74.0.1/30 dev ipip7
ip link add sit7 type sit local 10.70.0.1 remote 10.70.0.4; ip link set sit7 up
ip link add sixgre7 type ip6gre local 2001:db8::1 remote 2001:db8::2
ip address add 2001:db8:7::1/127 dev sixgre7 nodad; ip link set sixgre7 up
ip link add link base name mac7 type macvlan; ip address add fe80::7777/64 dev mac7 nodad
ip link add vx7 type vxlan id 7 dstport 4789; ip address add 10.75.0.1/32 dev vx7
ip link property add dev vx7 altname another-and-much-longer-name
"""
# With their modules go the links that those make by themselves (tunl0, gre0, sit0, bond0 ...).
REMOVE_LINKS = """
for link in vx7 mac7 sixgre7 sit7 ipip7 gre7 left bridge7 under bond7 base.7 base; do ip link delete $link; done
modprobe -r ip6_gre sit ipip ip_gre bonding
"""
HARDWARE_ADDRESS_BYTES = 6


def hardware_address_of(link):
    """The first six bytes, of a shorter one filled with zeros. That of a tunnel is an address itself."""
    text = link.get("address", "")
    try:
        data = ipaddress.ip_address(text).packed
    except ValueError:
        data = bytes.fromhex(text.replace(":", ""))
    return data[:HARDWARE_ADDRESS_BYTES].ljust(HARDWARE_ADDRESS_BYTES, b"\0").hex(":")


def addresses_of(link):
    return sorted((row["local"], row["prefixlen"]) for row in link["addr_info"] if row["family"] in ("inet", "inet6"))


def test_links_of_all_kinds_are_those_of_ip(guest):
    names = guest.check("ls /sys/class/net")
    guest.check(MAKE_LINKS)
    try:
        for _ in range(5):  # a link that was just set up may get an address meanwhile
            before = json.loads(guest.check("ip -json address"))
            told = guest.agent("guest-network-get-interfaces")
            if before == json.loads(guest.check("ip -json address")):
                break
    finally:
        guest.run(REMOVE_LINKS)
    assert guest.check("ls /sys/class/net") == names, "links are left that other tests of this guest would find"
    assert [interface["name"] for interface in told] == [link["ifname"] for link in before]
    for interface, link in zip(told, before):
        assert interface["hardware-address"] == hardware_address_of(link), link["ifname"]
        rows = sorted((row["ip-address"], row["prefix"]) for row in interface.get("ip-addresses", []))
        assert rows == addresses_of(link), link["ifname"]
        assert ("statistics" in interface) == bool(rows), link["ifname"]
