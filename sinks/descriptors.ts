/** Keeps descriptors that postern was started with from reaching the commands it runs. */
import { closeSync, readdirSync, readFileSync } from 'node:fs';

/** O_CLOEXEC in the octal `flags` of /proc/self/fdinfo (proc(5)). */
const CLOSE_ON_EXEC = 0o2000000;

/**
 * Closes what this process inherited above 2. Node opens all of its own with O_CLOEXEC and marks
 * inherited ones at its start, but stops at the first gap above 15 (`uv_disable_stdio_inheritance`
 * in libuv), so one with a high number would reach every command. Call it once, before anything
 * else, in the process of the service only.
 */
export function closeInheritedDescriptors(): void {
  for (const name of readdirSync('/proc/self/fd')) {
    const descriptor = Number(name);
    if (descriptor > 2 && isInheritable(descriptor)) closeSync(descriptor);
  }
}

function isInheritable(descriptor: number): boolean {
  const flags = /^flags:\s*([0-7]+)$/m.exec(infoOf(descriptor))?.[1];
  return flags !== undefined && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0;
}

function infoOf(descriptor: number): string {
  try {
    return readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8');
  } catch {
    return ''; // The one that listed the folder is gone by now.
  }
}
