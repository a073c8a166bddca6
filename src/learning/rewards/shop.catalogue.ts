import { readdirSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import { FREE_AVATARS } from '../../family/children.service.ts'
import { checkShape, readSource } from '../content/source-file.ts'

export const ITEM_CATEGORIES = ['avatar', 'theme', 'companion', 'streak_freeze'] as const

const ShopFile = z.strictObject({
  items: z.array(
    z.strictObject({
      id: z.string().regex(/^[a-z]+(_[a-z]+)*$/),
      name: z.string().min(1),
      category: z.enum(ITEM_CATEGORIES),
      cost: z.int().min(100).max(1_500),
      description: z.string().min(1),
    }),
  ),
})
export type ShopItem = z.infer<typeof ShopFile>['items'][number]

/** What every child has without buying it. */
export const FREE_THEME = 'theme_starlight'

export interface ShopCatalogue {
  readonly items: readonly ShopItem[]
  item(id: string): ShopItem | undefined
  /** The picture of an item or a free avatar, as SVG. */
  preview(id: string): string | undefined
}

const CONTENT = new URL('../content/', import.meta.url)

/** Loads the shop's items and pictures. Throws one Error that lists every fault, an item without a picture too. */
export function loadShop(): ShopCatalogue {
  const { value, faults } = checkShape(readSource('shop.yaml', readFileSync(new URL('shop.yaml', CONTENT), 'utf8')), ShopFile)
  const previews = new Map(
    readdirSync(new URL('shop/', CONTENT)).map((file) => [file.replace(/\.svg$/, ''), readFileSync(new URL(`shop/${file}`, CONTENT), 'utf8')]),
  )
  const items = value?.items ?? []
  const missing = [...items.map((item) => item.id), ...FREE_AVATARS].filter((id) => !previews.has(id)).map((id) => `shop/${id}.svg is missing`)
  const problems = [...faults.map((fault) => `${fault.file}:${fault.line} ${fault.message}`), ...missing]
  if (problems.length > 0) throw new Error(`The shop has faults:\n${problems.join('\n')}`)
  const byId = new Map(items.map((item) => [item.id, item]))
  return { items, item: (id) => byId.get(id), preview: (id) => previews.get(id) }
}
