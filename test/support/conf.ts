/** Text of knockd.conf for tests. */

/** One section: `name`, and its directives in order. */
export function section(
  name: string,
  directives: Readonly<Record<string, string | number>>,
): string {
  const lines = Object.entries(directives).map(([key, value]) => `\t${key} = ${value}`);
  return `[${name}]\n${lines.join('\n')}\n`;
}

/** The commands of the how-tos: a rule for the source alone, for IPv4 and IPv6, and its inverse. */
export const IPTABLES = {
  start_command: '/usr/sbin/iptables -A INPUT -s %IP% -p tcp --dport 2222 -j ACCEPT',
  start_command_6: '/usr/sbin/ip6tables -A INPUT -s %IP% -p tcp --dport 2222 -j ACCEPT',
  stop_command: '/usr/sbin/iptables -D INPUT -s %IP% -p tcp --dport 2222 -j ACCEPT',
  stop_command_6: '/usr/sbin/ip6tables -D INPUT -s %IP% -p tcp --dport 2222 -j ACCEPT',
} as const;

/** Commands that write `start SOURCE` and `stop SOURCE`, a line each, to a file. */
export function recordTo(file: string): { start_command: string; stop_command: string } {
  return {
    start_command: `echo start %IP% >> ${file}`,
    stop_command: `echo stop %IP% >> ${file}`,
  };
}
