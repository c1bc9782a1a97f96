"""The prover Barretenberg (UltraHonk over KZG on BN254), run as the native program `bb`."""
