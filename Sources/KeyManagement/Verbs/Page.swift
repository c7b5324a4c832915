// Lists that come page by page.

/// Some items of a list, and how to get those after them.
package struct Page<Item: Sendable>: Sendable {
    package let items: [Item]
    /// For the call that continues the list; nil at its end.
    package let nextMarker: String?

    init(_ items: [Item], nextMarker: String?) {
        self.items = items
        self.nextMarker = nextMarker
    }

    /// The first `limit` of `found`, which holds one more when there is more.
    init(_ found: [Item], limit: Int, marker: (Item) -> String) {
        items = Array(found.prefix(limit))
        nextMarker = found.count > limit ? items.last.map(marker) : nil
    }
}

extension Page: Equatable where Item: Equatable {}

extension Keystore {
    static func check(limit: Int, upTo greatest: Int) throws(KeyError) {
        guard (1...greatest).contains(limit) else { throw .validation("a page has 1 to \(greatest) items, not \(limit)") }
    }
}
