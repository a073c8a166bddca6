import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

const ROOT = path.resolve(import.meta.dirname, '../..')

/** The real server as a process of its own. */
export interface ServerProcess {
  readonly pid: number
  /** "http://127.0.0.1:..." */
  readonly address: string
  readonly stdout: () => string
  readonly stderr: () => string
  /** Sends a signal and resolves with the exit code, or null when the signal killed it. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>
}

export interface FinishedProcess {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function collect(child: ChildProcess): { stdout: () => string; stderr: () => string } {
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr?.on('data', (chunk) => {
    stderr += chunk
  })
  return { stdout: () => stdout, stderr: () => stderr }
}

function run(script: readonly string[], environment: Readonly<Record<string, string>>): ChildProcess {
  return spawn(process.execPath, ['--import', 'tsx', ...script], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** Runs a script of the source tree to its end. */
export async function runToEnd(script: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<FinishedProcess> {
  const child = run(script, environment)
  const output = collect(child)
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout: output.stdout(), stderr: output.stderr() }
}

/** Starts `src/server.ts` on a free port and waits until it says that it is ready. Throws with its stderr when it ends first. */
export async function startServerProcess(dataDir: string, environment: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
  const child = run(['src/server.ts'], { DATA_DIR: dataDir, PORT: '0', LOG_LEVEL: 'warn', ...environment })
  const output = collect(child)
  const closed = once(child, 'close').then(([code]) => code as number | null)
  const ready = new Promise<string>((resolve) => {
    child.stdout?.on('data', () => {
      const address = /BrainSpark is ready at (\S+)/.exec(output.stdout())?.[1]
      if (address) resolve(address)
    })
  })
  const address = await Promise.race([
    ready,
    closed.then((code) => {
      throw new Error(`the server ended with ${code}: ${output.stderr()}`)
    }),
  ])
  return {
    ...output,
    address,
    pid: child.pid as number,
    end(signal) {
      child.kill(signal)
      return closed
    },
  }
}

/** The pid of the embedded PostgreSQL under a data directory, if there is one. */
export function postgresPid(dataDir: string): number | undefined {
  const lockFile = path.join(dataDir, 'pgdata', 'postmaster.pid')
  return existsSync(lockFile) ? Number(readFileSync(lockFile, 'utf8').split('\n')[0]) : undefined
}

/** Kills the embedded PostgreSQL under a data directory the hard way. */
export function killPostgres(dataDir: string): void {
  const pid = postgresPid(dataDir)
  if (pid === undefined) return
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
