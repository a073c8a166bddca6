import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

const SRC = path.resolve(import.meta.dirname, '../../src')
const GENERATED = path.join(SRC, 'platform/db/generated')
/** Rooms from the ground floor up. Products stand side by side; the files of the root put everything together. */
const FLOORS = [['platform'], ['identity'], ['family'], ['safety'], ['learning', 'clubhouse', 'arena']]
const FILES = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => path.join(SRC, file))
  .filter((file) => !file.startsWith(GENERATED))

interface Import {
  readonly from: string
  readonly to: string
  /** Gone after compilation. */
  readonly typeOnly: boolean
}

/** The imports of a file that lead to files of the source tree; `import()` and re-exports too. */
function importsOf(file: string): Import[] {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ESNext, false)
  const found: Import[] = []
  const add = (specifier: ts.Node | undefined, typeOnly: boolean) => {
    if (!specifier || !ts.isStringLiteral(specifier) || !specifier.text.startsWith('.')) return
    found.push({ from: file, to: path.resolve(path.dirname(file), specifier.text), typeOnly })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword)
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node.arguments[0], false)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

const IMPORTS = FILES.flatMap(importsOf)
const shortOf = (file: string) => path.relative(SRC, file)
const roomOf = (file: string) => shortOf(file).split(path.sep)[0] as string
const floorOf = (file: string) => FLOORS.findIndex((rooms) => rooms.includes(roomOf(file)))
const asText = ({ from, to }: Import) => `${shortOf(from)} -> ${shortOf(to)}`

describe('imports', () => {
  it('are found at all', () => {
    expect(IMPORTS.length).toBeGreaterThan(200)
    expect(IMPORTS.some(({ typeOnly }) => typeOnly)).toBe(true)
    expect(IMPORTS.map(asText)).toContain(`${path.join('family', 'doors.ts')} -> ${path.join('platform', 'ids.ts')}`)
  })

  it('run one way: platform <- identity <- family <- safety <- products', () => {
    const upwards = IMPORTS.filter(({ from, to }) => floorOf(from) >= 0 && floorOf(to) > floorOf(from))
    expect(upwards.map(asText)).toEqual([])
  })

  it('never lead from one product to another', () => {
    const sideways = IMPORTS.filter(({ from, to }) => floorOf(from) === FLOORS.length - 1 && floorOf(to) === floorOf(from) && roomOf(from) !== roomOf(to))
    expect(sideways.map(asText)).toEqual([])
  })

  it('of a room never lead to what puts everything together', () => {
    const toRoot = IMPORTS.filter(({ from, to }) => floorOf(from) >= 0 && floorOf(to) < 0)
    const types = toRoot.filter(({ to, typeOnly }) => typeOnly && shortOf(to) === 'config.ts')
    expect(toRoot.filter((found) => !types.includes(found)).map(asText)).toEqual([])
    expect(types.filter(({ from }) => roomOf(from) === 'platform').map(asText)).toEqual([])
  })

  it('have no cycle of values', () => {
    const next = new Map<string, string[]>()
    for (const { from, to, typeOnly } of IMPORTS) if (!typeOnly) next.set(from, [...(next.get(from) ?? []), to])
    const done = new Set<string>()
    const cycles: string[] = []
    const walk = (file: string, trail: readonly string[]): void => {
      const start = trail.indexOf(file)
      if (start >= 0) cycles.push([...trail.slice(start), file].map(shortOf).join(' -> '))
      if (start >= 0 || done.has(file)) return
      for (const to of next.get(file) ?? []) walk(to, [...trail, file])
      done.add(file)
    }
    for (const file of FILES) walk(file, [])
    expect(cycles).toEqual([])
  })
})

it('ends the process in server.ts alone', () => {
  const enders = FILES.filter((file) => readFileSync(file, 'utf8').includes('process.exit(')).map(shortOf)
  expect(enders.filter((file) => !file.startsWith('tools'))).toEqual(['server.ts'])
})
