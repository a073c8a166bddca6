import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

export interface RunningServer {
  readonly address: string
  /** Processor time used so far, user and system, in milliseconds. */
  cpuMs(): number
  stop(): Promise<void>
}

/** Clock ticks a second in /proc on Linux (USER_HZ). */
const TICKS_PER_SECOND = 100

function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  const [userTicks, systemTicks] = [Number(fields[11]), Number(fields[12])]
  return ((userTicks + systemTicks) * 1_000) / TICKS_PER_SECOND
}

async function addressFrom(child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new Error('the server has no output')
  for await (const line of createInterface({ input: child.stdout })) {
    const address = /ready at (http:\S+)/.exec(line)?.[1]
    if (address) return address
  }
  throw new Error('the server ended before it was ready')
}

/** Starts `node ...args` and waits until it prints "ready at http://...". */
export async function startServer(args: readonly string[], environment: Readonly<Record<string, string>>): Promise<RunningServer> {
  const child = spawn(process.execPath, args, { env: { PATH: process.env.PATH, ...environment }, stdio: ['ignore', 'pipe', 'inherit'] })
  const address = await addressFrom(child)
  child.stdout?.resume()
  return {
    address,
    cpuMs: () => cpuMsOf(child.pid as number),
    async stop() {
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
}
