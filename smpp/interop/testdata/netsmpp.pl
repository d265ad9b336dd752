# An SMSC made of Net::SMPP, or with an argument (the port of an SMSC) an ESME. It
# tells what it sees as JSON lines on standard output and obeys JSON lines on standard
# input: {"do":"deliver_sm","session":1,"with":["destination_addr","7001",...]}. Values
# of octets are hexadecimal, there and here, and named so: {"hex":"..."}. It ends with
# its input.
use strict;
use warnings;
use IO::Select;
use JSON::PP;
use Net::SMPP;

my $json = JSON::PP->new->canonical;
$| = 1;
sub tell_ { print $json->encode({@_}), "\n" }

my %name = map { Net::SMPP::pdu_tab->{$_}{cmd} => $_ } grep { $_ < 0x10000 || $_ >= 0x80000000 && $_ < 0x80010000 } keys %{Net::SMPP::pdu_tab()};
my %command = reverse %name;
my ($listener, %session, %number); # sessions by number, and their numbers by file descriptor
my ($sessions, $messages, $refuse) = (0, 0, 0);
my $all = IO::Select->new(\*STDIN);

sub session {
    my ($s) = @_;
    $session{++$sessions} = $s;
    $number{fileno $s} = $sessions;
    $all->add($s);
}

if (@ARGV) {
    my $s = Net::SMPP->new_connect('127.0.0.1', port => $ARGV[0], async => 1) or die "connect: $!";
    session($s);
} else {
    $listener = Net::SMPP->new_listen('127.0.0.1', port => 0, async => 1) or die "listen: $!";
    $all->add($listener);
    tell_(event => 'listening', port => $listener->sockport);
}

my @said = qw(system_id password system_type interface_version address_range source_addr source_addr_ton
    source_addr_npi destination_addr dest_addr_ton dest_addr_npi service_type esm_class protocol_id
    registered_delivery validity_period data_coding message_id esme_addr final_date error_code);
my @octets = qw(short_message message_payload sar_msg_ref_num sar_total_segments sar_segment_seqnum
    receipted_message_id user_message_reference);
# message_state is a number in query_sm_resp and an octet where it is an optional parameter.

sub see {
    my ($s) = @_;
    my $n = $number{fileno $s};
    my $pdu = $s->read_pdu;
    if (!$pdu) {
        $all->remove($s);
        $s->close;
        delete $session{$n};
        return tell_(event => 'close', session => $n);
    }
    my $c = $command{$pdu->{cmd}} // sprintf '0x%08X', $pdu->{cmd};
    my %e = (event => $c, session => $n, status => $pdu->{status}, sequence => $pdu->{seq});
    $e{$_} = $pdu->{$_} for grep { defined $pdu->{$_} } @said;
    $e{$_} = unpack 'H*', $pdu->{$_} for grep { defined $pdu->{$_} } @octets;
    $e{message_state} = $c eq 'query_sm_resp' ? $pdu->{message_state} : ord $pdu->{message_state} if defined $pdu->{message_state};
    my @to = (seq => $pdu->{seq});
    if ($listener) {
        if ($c =~ /^bind_(?:transceiver|transmitter|receiver)$/) {
            my $m = "${c}_resp";
            $s->$m(system_id => 'Net::SMPP', @to, status => $refuse);
            $refuse = 0;
        } elsif ($c eq 'submit_sm' || $c eq 'data_sm') {
            my $m = "${c}_resp";
            $e{message_id} = sprintf 'p%d', ++$messages;
            $s->$m(message_id => $e{message_id}, @to);
        } elsif ($c eq 'query_sm') {
            $s->query_sm_resp(message_id => $pdu->{message_id}, final_date => '', message_state => 2, error_code => 0, @to);
        } elsif ($c eq 'cancel_sm') {
            $s->cancel_sm_resp(@to);
        } elsif ($c eq 'replace_sm') {
            $s->replace_sm_resp(@to);
        }
    } elsif ($c eq 'deliver_sm' || $c eq 'data_sm') {
        my $m = "${c}_resp";
        $s->$m(message_id => '', @to);
    }
    $s->enquire_link_resp(@to) if $c eq 'enquire_link';
    $s->unbind_resp(@to) if $c eq 'unbind';
    tell_(%e);
}

sub obey {
    my ($o) = @_;
    return $refuse = $o->{status} if $o->{do} eq 'refuse';
    my $s = $session{ $o->{session} } or return tell_(event => 'error', text => "no session $o->{session}");
    return $s->close if $o->{do} eq 'close';
    my $m = $o->{do};
    $s->$m(map { ref $_ ? pack 'H*', $_->{hex} : $_ } @{ $o->{with} // [] }, async => 1);
}

my $input = '';
while (1) {
    for my $h ($all->can_read) {
        if ($h == \*STDIN) {
            sysread(STDIN, $input, 65536, length $input) or exit 0;
            obey($json->decode($1)) while $input =~ s/^(.*)\n//;
        } elsif ($listener && $h == $listener) {
            my $s = $listener->accept or next;
            session($s);
        } else {
            see($h);
        }
    }
}
