// Only what the kernel offers is taken.

import CFUSE
import Testing

@testable import FUSE

@Suite struct AgreementTests {
    private func agree(capable: UInt32 = .max, offered: UInt32 = .max, _ change: (inout MountOptions) -> Void = { _ in }) -> Agreement {
        var options = MountOptions()
        change(&options)
        return Agreement(capable: capable, offered: offered, major: 7, minor: 38, options: options)
    }
    private func bit(_ bit: Int32) -> UInt32 { UInt32(bitPattern: bit) }

    @Test func aKernelThatOffersNothingGetsNothing() {
        let agreement = agree(capable: 0, offered: 0)
        #expect(agreement.used == 0)
        #expect(agreement.added == 0)
        #expect(agreement.missing == .all)
    }

    @Test func aKernelThatOffersAllIsTakenAtItsWordButForWhatIsNotWanted() {
        let agreement = agree()
        #expect(agreement.missing == [])
        for wanted in [
            FUSE_CAP_WRITEBACK_CACHE, FUSE_CAP_POSIX_ACL, FUSE_CAP_DONT_MASK, FUSE_CAP_ATOMIC_O_TRUNC, FUSE_CAP_PARALLEL_DIROPS,
            FUSE_CAP_READDIRPLUS_AUTO, FUSE_CAP_EXPLICIT_INVAL_DATA, FUSE_CAP_CACHE_SYMLINKS, FUSE_CAP_ASYNC_READ,
        ] {
            #expect(agreement.used & bit(wanted) != 0)
        }
        for refused in [
            FUSE_CAP_AUTO_INVAL_DATA, FUSE_CAP_HANDLE_KILLPRIV, FUSE_CAP_FLOCK_LOCKS, FUSE_CAP_POSIX_LOCKS, FUSE_CAP_SPLICE_READ,
            FUSE_CAP_IOCTL_DIR, FUSE_CAP_EXPORT_SUPPORT,
        ] {
            #expect(agreement.used & bit(refused) == 0)
        }
        #expect(agreement.added == UInt32(FUSE_HANDLE_KILLPRIV_V2) | UInt32(FUSE_SETXATTR_EXT))
    }

    @Test func listsAreAdaptiveOrNotTaken() {
        let agreement = agree(capable: bit(FUSE_CAP_READDIRPLUS))
        #expect(agreement.used == 0)
        #expect(agreement.missing.contains(.listingsWithStatus))
    }

    @Test func withoutChecksNoAccessControlListsButItsOwnUmask() {
        let agreement = agree { $0.checksPermissions = false }
        #expect(agreement.used & bit(FUSE_CAP_POSIX_ACL) == 0)
        #expect(agreement.used & bit(FUSE_CAP_DONT_MASK) != 0)
        #expect(!agreement.extendsSetAttribute)
        #expect(agreement.missing == [])
    }

    @Test func withoutItsOwnUmaskNoAccessControlLists() {
        let agreement = agree(capable: ~bit(FUSE_CAP_DONT_MASK))
        #expect(agreement.used & bit(FUSE_CAP_POSIX_ACL) == 0)
        #expect(agreement.missing.contains(.accessControlLists))
    }

    @Test func capabilitiesCanBeLeftOut() {
        for capability in [Capabilities.writeBack, .truncatingOpen, .clearingPrivileges, .clearingSetGroupID, .explicitInvalidation] {
            let agreement = agree { $0.capabilities.remove(capability) }
            #expect(agreement != agree())
            #expect(agreement.missing == [])
        }
        #expect(agree { $0.isWriteBack = false }.used & bit(FUSE_CAP_WRITEBACK_CACHE) == 0)
        #expect(agree { $0.readOnly = true }.used & bit(FUSE_CAP_WRITEBACK_CACHE) == 0)
    }

    @Test func aSharedVaultKeepsNothing() {
        let agreement = agree { $0.makeShared() }
        for refused in [FUSE_CAP_WRITEBACK_CACHE, FUSE_CAP_EXPLICIT_INVAL_DATA, FUSE_CAP_CACHE_SYMLINKS] {
            #expect(agreement.used & bit(refused) == 0)
        }
        #expect(agreement.used & bit(FUSE_CAP_AUTO_INVAL_DATA) != 0)
    }
}
