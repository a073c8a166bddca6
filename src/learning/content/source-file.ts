import { LineCounter, parseDocument } from 'yaml'
import type { z } from 'zod'

/** Something an author must mend, with the line to look at. */
export interface ContentFault {
  readonly file: string
  readonly line: number
  readonly message: string
}

/** A parsed YAML file that can still say on which line each value stands. */
export interface SourceFile {
  readonly file: string
  readonly value: unknown
  readonly lineOf: (path: readonly PropertyKey[]) => number
  readonly faults: readonly ContentFault[]
}

/** Parses YAML and keeps positions. Syntax errors become faults; it does not throw. */
export function readSource(file: string, text: string): SourceFile {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const lineOf = (path: readonly PropertyKey[]): number => {
    for (let length = path.length; length >= 0; length -= 1) {
      const node = document.getIn(path.slice(0, length), true) as { range?: [number, number, number] } | undefined
      if (node?.range) return lines.linePos(node.range[0]).line
    }
    return 1
  }
  const faults = document.errors.map((error) => ({ file, line: lines.linePos(error.pos[0]).line, message: error.message }))
  return { file, value: document.errors.length > 0 ? undefined : document.toJS(), lineOf, faults }
}

/** Checks a source against its schema; one fault per issue. */
export function checkShape<S extends z.ZodType>(source: SourceFile, schema: S): { value?: z.infer<S>; faults: ContentFault[] } {
  if (source.faults.length > 0) return { faults: [...source.faults] }
  const parsed = schema.safeParse(source.value)
  if (parsed.success) return { value: parsed.data, faults: [] }
  return {
    faults: parsed.error.issues.map((issue) => ({
      file: source.file,
      line: source.lineOf(issue.path),
      message: `${issue.path.join('.')}: ${issue.message}`,
    })),
  }
}
