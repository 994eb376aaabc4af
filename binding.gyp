# The release build. CMakeLists.txt makes the developer builds from the same native/sources.txt and native/flags.txt.
# Not in the package: a binding.gyp at its root would make npm call installing it an install script.
{
  'targets': [
    {
      'target_name': 'tidemark',
      'sources': ['<!@(grep "^native/" native/sources.txt)'],
      'include_dirs': ['native'],
      'defines': [
        'NAPI_VERSION=8',
        'NAPI_DISABLE_CPP_EXCEPTIONS',
        # A terminating worker refuses every call; that must not abort the process.
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
        # Assertions are for the developer builds: in a service they would be an abort.
        'NDEBUG',
      ],
      # cflags_cc come after Node's own flags, so the last -std and -O here decide.
      'cflags_cc': [
        '<!@(grep "^-" native/flags.txt)',
        '-O2',
        '-include oldest_glibc.h',
        # System headers: a newer compiler's opinion of them must not stop our build.
        '-isystem <!(node -p "require.resolve(\'node-addon-api/package.json\').slice(0, -13)")',
      ],
      'ldflags': [
        # Hooks and thread-local state outlive every worker and every dlclose.
        '-Wl,-z,nodelete',
        '-Wl,-z,relro',
        '-Wl,-z,now',
        '-Wl,--as-needed',
        '-Wl,--exclude-libs,ALL',
      ],
    },
  ],
}
